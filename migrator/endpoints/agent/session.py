"""One conversation with an agent, with many requests under way: the engine of the agent lane.

Single-threaded: requests are queued with what is to be done with their answers, which come in the order asked. Bytes
are read whenever we would have to wait to write, so that the two sides never wait for each other.
"""

from __future__ import annotations

import errno
import os
import select
import struct
import time
from collections import deque
from importlib import resources

from migrator import failpoints
from migrator.domain.entries import display
from migrator.endpoints.agent import program as agent
from migrator.endpoints.agent.conversation import Answer, Conversation, DiskFault, Failed
from migrator.endpoints.ssh.channel import Channel
from migrator.endpoints.ssh.failures import NoCommand
from migrator.errors import MigratorError, Unreachable

NO_PROGRESS_SECONDS = 45.0
SYNC_SECONDS = 600.0  # a commit on a busy disk says nothing until it is done
HANDSHAKE_SECONDS = 20.0

# Isolated from the account's environment and packages, and without a compiled copy of anything left behind.
COMMAND = ("python3", "-I", "-B", "-c", "import sys;b=sys.stdin.buffer;exec(b.read(int(b.read(8),16)))")

_GREETING_LIMIT_BYTES = 64 * 1024  # noise of login scripts included
_READ_BYTES = 1 << 20
_FLUSH_BYTES = 64 * 1024
_MOST_QUEUED_BYTES = 4 << 20
_WORDS_LIMIT = 300
_SYNCING = frozenset({agent.COMMIT, agent.SETTLE, agent.REMOVE, agent.UNLINK})


class AgentSession(Conversation):
    """A conversation with an agent on a channel of its own."""

    def __init__(self, channel: Channel, name: str, no_progress_seconds: float = NO_PROGRESS_SECONDS) -> None:
        super().__init__(name)
        self.is_root = False
        self.version = ""
        self._channel = channel
        self._patience_seconds = no_progress_seconds
        self._is_greeted = False
        self._waiting: deque[tuple[int, Answer, Failed]] = deque()
        self._out = bytearray()
        self._in = bytearray()
        self._read_fd = channel.read_fd
        self._write_fd = channel.write_fd
        os.set_blocking(self._read_fd, False)
        os.set_blocking(self._write_fd, False)

    @classmethod
    def start(cls, channel: Channel, name: str, no_progress_seconds: float = NO_PROGRESS_SECONDS) -> AgentSession:
        """A session whose agent has greeted us; EOFError or OSError when it ends before, NoCommand for noise."""
        session = cls(channel, name, no_progress_seconds)
        session._greet()
        return session

    @property
    def in_flight(self) -> int:
        """Requests that are not answered yet."""
        return len(self._waiting)

    def send(self, verb: int, handle: int, *parts: bytes, then: Answer, fail: Failed) -> None:
        """Queue a request; `then` or `fail` is called with its answer later. Waits only when far too much is queued."""
        if self._error is not None:
            raise self._error
        length = 5 + sum(map(len, parts))
        if length > agent.LARGEST_FRAME:
            raise ValueError(f"a request of {length} bytes")
        self._waiting.append((verb, then, fail))
        self._out += agent.REQUEST.pack(length, verb, handle)
        for part in parts:
            self._out += part
        if len(self._out) > _FLUSH_BYTES:
            self._flush()
        while len(self._out) > _MOST_QUEUED_BYTES:
            self._exchange()

    def flush(self) -> None:
        """Offer what is queued to the far side."""
        if self._error is not None:
            raise self._error
        self._flush()

    def pump(self) -> None:
        """Exchange bytes until at least one request was answered; one at least must be under way."""
        if not self._waiting and self._error is None:
            raise RuntimeError("waiting for an answer although nothing was asked")
        before = len(self._waiting)
        while len(self._waiting) == before:
            self._exchange()

    def is_usable_again(self) -> bool:
        """Whether it can serve somebody else; takes in answers first that nobody waits for any more."""
        try:
            while self._waiting:
                self.pump()
        except MigratorError:
            return False
        return not self.is_over and not self._is_ready(0)  # whatever arrives unasked is the end of the channel

    def _end(self) -> None:
        self._waiting.clear()
        self._out.clear()
        self._channel.close()

    def _exchange(self) -> None:
        """Write and read what can be, or wait until something can; what has arrived is handed on."""
        if self._error is not None:
            raise self._error
        has_moved = self._flush()
        while self._dispatch_one():
            has_moved = True
        if self._receive():
            while self._dispatch_one():
                pass
        elif not has_moved:
            self._wait()

    def _flush(self) -> bool:
        out = self._out
        has_sent = False
        while out and self._error is None:
            try:
                count = os.write(self._write_fd, out)
            except BlockingIOError:
                break
            except OSError:
                raise self._lost() from None
            del out[:count]
            has_sent = True
        return has_sent

    def _receive(self) -> bool:
        try:
            data = os.read(self._read_fd, _READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            raise self._lost() from None
        if not data:
            raise self._lost()
        self._in += data
        return True

    def _dispatch_one(self) -> bool:
        """Hand the next answer to whom it belongs; False when none is complete."""
        arrived = self._in
        if len(arrived) < agent.ANSWER.size:
            return False
        length, status = agent.ANSWER.unpack_from(arrived)
        if not 1 <= length <= agent.LARGEST_FRAME or not self._waiting:
            raise self.broken(f"an answer of {length} bytes" if self._waiting else "an answer that nobody asked for")
        if len(arrived) < 4 + length:
            return False
        body = bytes(memoryview(arrived)[agent.ANSWER.size : 4 + length])
        del arrived[: 4 + length]
        _, then, fail = self._waiting.popleft()
        if status == agent.OK:
            then(body)
        else:
            fail(self._told(body, DiskFault if status == agent.DISK_FAULT else OSError))
        return True

    def _told(self, body: bytes, kind: type[OSError]) -> OSError:
        try:
            (number,) = struct.unpack_from(">i", body)
            words = agent.Body(body[4:]).text()
        except (struct.error, ValueError):
            raise self.broken("an error that cannot be understood") from None
        return kind(number or errno.EIO, display(bytes(words[:_WORDS_LIMIT])))

    def _wait(self) -> None:
        patience = self._patience_seconds
        if self._waiting and self._waiting[0][0] in _SYNCING:  # answers come in order: this is what it is busy with
            patience = max(patience, SYNC_SECONDS)
        if not self._is_greeted:
            patience = min(patience, HANDSHAKE_SECONDS)
        if self._is_ready(patience):
            return
        if not self._is_greeted:
            raise TimeoutError(f"no greeting within {patience:.0f} s")
        raise self.stop(
            Unreachable(
                f"the agent on `{self.name}` did not answer for {patience:.0f} s",
                hint="look at the network and the load of that server, then type the same command again",
            )
        )

    def _is_ready(self, seconds: float) -> bool:
        poll = select.poll()
        if self._out:
            poll.register(self._write_fd, select.POLLOUT)
        poll.register(self._read_fd, select.POLLIN | (select.POLLOUT if self._read_fd == self._write_fd else 0))
        return bool(poll.poll(seconds * 1000))

    def _lost(self) -> Exception:
        """The channel ended; before the greeting its opener knows better what that means."""
        if not self._is_greeted:
            return EOFError("the channel ended before the agent greeted us")
        return self.stop(self._error or self._channel.explain())

    def _greet(self) -> None:
        program = failpoints.sent_along() + agent_text()
        self._out += b"%08x%s" % (len(program), program)
        deadline = time.monotonic() + HANDSHAKE_SECONDS
        while (greeting := self._greeting()) is None:
            if time.monotonic() > deadline:
                raise TimeoutError("the greeting never ends")
            if not (self._receive() or self._flush()):
                self._wait()
        try:
            body = agent.Body(greeting)
            protocol, user, version = body.u32(), body.u32(), body.text()
        except (struct.error, ValueError):
            raise self.broken("a greeting that cannot be understood") from None
        if protocol != agent.PROTOCOL:
            raise self.broken(f"version {protocol}")
        self.is_root = user == 0
        self.version = display(bytes(version[:20]))
        self._is_greeted = True

    def _greeting(self) -> bytes | None:
        """The body of the greeting, after whatever login scripts have printed; None while it is incomplete."""
        begins = self._in.find(agent.MAGIC)
        at = begins + len(agent.MAGIC)
        if begins >= 0 and len(self._in) >= at + 4:
            (length,) = agent.U32.unpack_from(self._in, at)
            if length > _GREETING_LIMIT_BYTES:
                raise self.broken(f"a greeting of {length} bytes")
            if len(self._in) >= at + 4 + length:
                greeting = bytes(self._in[at + 4 : at + 4 + length])
                del self._in[: at + 4 + length]
                return greeting
        if len(self._in) > 2 * _GREETING_LIMIT_BYTES:
            words = display(bytes(self._in[:80]))
            raise self.stop(
                NoCommand(
                    f"endpoint `{self.name}`: python3 does not run there; what answered sent `{words}`",
                    hint="the account needs a shell and python3 for `lane: agent`; `lane: sftp` does without both",
                )
            )
        return None


def agent_text() -> bytes:
    """The program that is sent to the endpoint."""
    return resources.files("migrator.endpoints.agent").joinpath("program.py").read_bytes()
