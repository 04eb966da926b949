"""One SFTP session with many requests in flight: the engine of the sftp lane.

Single-threaded: requests are queued with what is to be done with their answers, and `pump` exchanges bytes with the
server until something was answered. It reads whenever it would have to wait to write, so that the two sides never
wait for each other.
"""

from __future__ import annotations

import os
import select
import struct
import time
from collections.abc import Callable
from typing import TypeVar

from migrator.domain.entries import display
from migrator.endpoints.allowance import UNLIMITED, Allowance
from migrator.endpoints.sftp import wire
from migrator.endpoints.sftp.handles import HANDLES_ELSEWHERE, HANDLES_WHERE_LIMITS_ARE_TOLD, Handles
from migrator.endpoints.ssh.channel import Channel
from migrator.errors import EndpointUnavailable, MigratorError, SafetyStop, Unreachable

# What is done with an answer: the packet's kind and its body after the request's id. The body is valid during the
# call only, and the call must not pump.
Answer = Callable[[int, memoryview], None]

T = TypeVar("T")

NO_PROGRESS_SECONDS = 45.0
HANDSHAKE_SECONDS = 20.0

_HEADER = struct.Struct(">IBI")  # length, kind, id
_HEADER_BYTES = 9
_LENGTH = struct.Struct(">I")
_BEFORE_LIMITS_BYTES = 32 * 1024  # what every server takes in one READ or WRITE
_LARGEST_TRANSFER_BYTES = 261120  # OpenSSH's own limit
_LARGEST_PACKET_BYTES = 256 * 1024 + 1024
_BUFFER_BYTES = 1024 * 1024 + _LARGEST_PACKET_BYTES
_FLUSH_BYTES = 8 * 1024  # so many queued bytes are offered to the server before the next pump
_TRICKLE_BYTES = 16 * 1024  # less than this of an unfinished packet is no progress: a byte a second is not alive


class SftpSession:
    """An SFTP session on a channel of its own. Not safe for use from two threads at once.

    Every method that talks to the server raises EndpointUnavailable when it ends, falls silent or refuses us, and
    SafetyStop when it breaks the protocol; the session is closed then.
    """

    def __init__(self, channel: Channel, name: str, no_progress_seconds: float = NO_PROGRESS_SECONDS) -> None:
        self.name = name
        self.allowance: Allowance = UNLIMITED
        self.extensions: frozenset[bytes] = frozenset()
        self.read_bytes = _BEFORE_LIMITS_BYTES
        self.write_bytes = _BEFORE_LIMITS_BYTES
        self.handles = Handles(HANDLES_ELSEWHERE)
        self.takes_link_text_first = True  # see sftp_calls.learn_link_order
        self.is_link_order_known = False
        self._channel = channel
        self._patience_seconds = no_progress_seconds
        self._is_greeted = False
        self._error: MigratorError | None = None
        self._waiting: dict[int, Answer] = {}
        self._next_id = 0
        self._out = bytearray()
        self._in = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._in)
        self._start = 0  # of the first byte not yet taken
        self._end = 0  # behind the last byte received
        self._read_fd = channel.read_fd
        self._write_fd = channel.write_fd
        os.set_blocking(self._read_fd, False)
        os.set_blocking(self._write_fd, False)
        self._until_readable = select.poll()
        self._until_readable.register(self._read_fd, select.POLLIN)
        self._until_either = select.poll()
        self._until_either.register(self._write_fd, select.POLLOUT)
        both = select.POLLIN | select.POLLOUT if self._read_fd == self._write_fd else select.POLLIN
        self._until_either.register(self._read_fd, both)

    @classmethod
    def start(cls, channel: Channel, name: str, no_progress_seconds: float = NO_PROGRESS_SECONDS) -> SftpSession:
        """A session that has shaken hands; EOFError or OSError when the channel ends or is silent before that."""
        session = cls(channel, name, no_progress_seconds)
        session._greet()
        return session

    @property
    def in_flight(self) -> int:
        """Requests that are not answered yet."""
        return len(self._waiting)

    @property
    def is_over(self) -> bool:
        """Whether the session has failed or was closed."""
        return self._error is not None

    def send(self, kind: int, payload: bytes, then: Answer, content: bytes = b"") -> None:
        """Queue a request, its payload in one or two parts; `then` is called with its answer during a later `pump`."""
        if (content or kind == wire.READ) and self.allowance.is_limited:
            then = self._paid_for(kind, payload, content, then)
        request = self._next_id
        self._next_id = (request + 1) & 0xFFFFFFFF
        self._waiting[request] = then
        out = self._out
        out += _HEADER.pack(len(payload) + len(content) + 5, kind, request)
        out += payload
        out += content
        if len(out) > _FLUSH_BYTES:
            self._flush()

    def _paid_for(self, kind: int, payload: bytes, content: bytes, then: Answer) -> Answer:
        """Pay for the content that a request takes along or asks for; `then`, which gives back what did not come."""
        self.allowance.pay(len(content))
        if kind != wire.READ:
            return then
        (asked_bytes,) = _LENGTH.unpack_from(payload, len(payload) - _LENGTH.size)
        self.allowance.pay(asked_bytes)

        def settle(kind: int, body: memoryview) -> None:
            came_bytes = len(body) - _LENGTH.size if kind == wire.DATA else 0
            self.allowance.pay(min(0, came_bytes - asked_bytes))
            then(kind, body)

        return settle

    def call(self, kind: int, payload: bytes, take: Callable[[int, memoryview], T]) -> T:
        """What `take` makes of the answer to one request, waited for; raises what `take` raises."""
        taken: list[T] = []
        self.send(kind, payload, lambda kind, body: taken.append(take(kind, body)))
        while not taken:
            self.pump()
        return taken[0]

    def until(self, is_done: Callable[[], bool]) -> None:
        """Pump until `is_done()` holds, or nothing is in flight that could bring it about."""
        while not is_done() and self._waiting:
            self.pump()

    def pump(self) -> None:
        """Exchange bytes with the server until at least one request was answered; one at least must be in flight."""
        if self._error is not None:
            raise self._error
        if not self._waiting:
            raise RuntimeError("waiting for an answer although nothing was asked")
        deadline = time.monotonic() + self._patience_seconds
        heard = self._end - self._start
        while True:
            has_sent = self._flush()
            if self._dispatch() or (self._receive() and self._dispatch()):
                break
            if has_sent or self._end - self._start >= heard + _TRICKLE_BYTES:
                deadline = time.monotonic() + self._patience_seconds
                heard = self._end - self._start
            self._wait(deadline)
        self._flush()

    def stop(self, error: MigratorError) -> MigratorError:
        """End the session because of `error`, which every later use raises too; returns it, to be raised."""
        if self._error is None:
            self._error = error
            self._waiting.clear()
            self._out.clear()
            self._channel.close()
        return self._error

    def close(self) -> None:
        """End the session; what is in flight is never answered. May be called twice."""
        self.stop(EndpointUnavailable(f"the session with `{self.name}` was closed"))

    def interrupt(self) -> None:
        """End the session from another thread: the one that waits for an answer gets an error."""
        self._channel.interrupt()

    def unexpected(self, kind: int) -> MigratorError:
        """The error for an answer of a kind that does not belong to its request."""
        return self.stop(_broken(self.name, f"an answer of kind {kind} that does not belong to its request"))

    def _flush(self) -> bool:
        """Offer what is queued; whether the server took any of it."""
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
        """Take in what has arrived; whether there was anything."""
        if self._start == self._end:
            self._start = self._end = 0
        elif len(self._in) - self._end < _LARGEST_PACKET_BYTES:
            rest = self._end - self._start
            self._in[:rest] = self._in[self._start : self._end]
            self._start, self._end = 0, rest
        try:
            count = os.readv(self._read_fd, [self._view[self._end :]])
        except BlockingIOError:
            return False
        except OSError:
            raise self._lost() from None
        if count == 0:
            raise self._lost()
        self._end += count
        return True

    def _dispatch(self) -> bool:
        """Hand every complete packet to whom it belongs; whether there was one."""
        view, waiting, unpack = self._view, self._waiting, _HEADER.unpack_from
        first = at = self._start
        end = self._end
        fault = None
        try:
            while end - at >= _HEADER_BYTES:
                length, kind, request = unpack(view, at)
                stop = at + 4 + length
                if length < 5 or length > _LARGEST_PACKET_BYTES:
                    fault = f"a packet of {length} bytes"
                    break
                if stop > end:
                    break
                then = waiting.pop(request, None)
                if then is None:
                    fault = "an answer to a request that was never made"
                    break
                body = view[at + _HEADER_BYTES : stop]
                self._start = at = stop
                then(kind, body)
        except (wire.Malformed, struct.error) as error:
            fault = str(error)
        if fault is not None:
            raise self.stop(_broken(self.name, fault))
        return at > first

    def _wait(self, deadline: float) -> None:
        remaining = deadline - time.monotonic()
        poll = self._until_either if self._out else self._until_readable
        if remaining > 0 and poll.poll(remaining * 1000):
            return
        if not self._is_greeted:
            raise TimeoutError(f"no greeting within {self._patience_seconds:.0f} s")
        raise self.stop(
            Unreachable(
                f"`{self.name}` did not answer for {self._patience_seconds:.0f} s",
                hint="look at the network and the load of that server, then type the same command again",
            )
        )

    def _lost(self) -> Exception:
        """The channel ended; before the handshake its opener knows better what that means."""
        if not self._is_greeted:
            return EOFError("the channel ended before the SFTP session began")
        return self.stop(self._error or self._channel.explain())

    def _greet(self) -> None:
        """INIT, VERSION, and the server's limits where it tells them."""
        self._out += struct.pack(">IBI", 5, wire.INIT, 3)
        deadline = time.monotonic() + min(HANDSHAKE_SECONDS, self._patience_seconds)
        while (greeting := self._first_packet()) is None:
            self._flush()
            if not self._receive():
                self._wait(deadline)
        try:
            self.extensions = wire.take_extensions(greeting)
        except (wire.Malformed, struct.error):
            raise self.stop(_broken(self.name, "a greeting that cannot be understood")) from None
        if wire.LIMITS in self.extensions:
            self.call(wire.EXTENDED, wire.string(wire.LIMITS), self._take_limits)
        self._is_greeted = True

    def _first_packet(self) -> memoryview | None:
        """The body of VERSION; None while it is incomplete."""
        if self._end < _HEADER_BYTES:
            return None
        length, kind, version = _HEADER.unpack_from(self._in)
        if kind != wire.VERSION or not 5 <= length <= _LARGEST_PACKET_BYTES:
            words = display(bytes(self._in[: min(self._end, 80)]))
            raise self.stop(
                Unreachable(
                    f"`{self.name}` does not speak SFTP; it sent `{words}`",
                    hint="a login script there may print something: it must be silent in sessions without a terminal",
                )
            )
        if version != 3:
            raise self.stop(EndpointUnavailable(f"`{self.name}` speaks SFTP version {version}; version 3 is needed"))
        if self._end < 4 + length:
            return None
        self._start = 4 + length
        return self._view[_HEADER_BYTES : self._start]

    def _take_limits(self, kind: int, body: memoryview) -> None:
        if kind != wire.EXTENDED_REPLY:
            return  # offered and then refused: the cautious figures stay
        limits = wire.take_limits(body)
        most = min(_LARGEST_TRANSFER_BYTES, max(limits.packet - 1024, 0) or _LARGEST_TRANSFER_BYTES)
        self.read_bytes = min(limits.read or _BEFORE_LIMITS_BYTES, most)
        self.write_bytes = min(limits.write or _BEFORE_LIMITS_BYTES, most)
        # Some are left for what the server opens on its own account.
        told = max(1, limits.handles - 8) if limits.handles else HANDLES_ELSEWHERE
        self.handles.limit = min(told, HANDLES_WHERE_LIMITS_ARE_TOLD)


def _broken(name: str, what: str) -> SafetyStop:
    return SafetyStop(
        f"`{name}` breaks the SFTP protocol: {what}",
        hint="nothing it says can be relied on; find out what answers there before going on",
    )
