"""The `openssh` connector: the system's ssh client as a child process, its pipes as the channel."""

from __future__ import annotations

import selectors
import shlex
import threading
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from migrator.domain.entries import display
from migrator.domain.plan import EndpointSpec
from migrator.endpoints.contract import OUTPUT_LIMIT_BYTES, Completed
from migrator.endpoints.ssh.anonymous_file import AnonymousFile
from migrator.endpoints.ssh.channel import Door
from migrator.endpoints.ssh.failures import Failure, connection_error, last_line
from migrator.endpoints.ssh.openssh_child import SshChild
from migrator.endpoints.ssh.openssh_command import pins_of
from migrator.endpoints.ssh.openssh_log import diagnose
from migrator.endpoints.ssh.route import HANDSHAKE_SECONDS, check_identity, check_names, host_of
from migrator.errors import MigratorError

# How long ssh may take to say why it ended, once its output has.
_EXPLAIN_SECONDS = 3.0


class OpensshChannel:
    """An SFTP session, or a command, on an ssh process of its own; see `Channel`."""

    def __init__(
        self, connector: OpensshConnector, route: Sequence[EndpointSpec], child: SshChild, *, is_command: bool = False
    ) -> None:
        self._connector = connector
        self._is_command = is_command
        self._route = route
        self._child = child
        self._was_interrupted = False

    @property
    def read_fd(self) -> int:
        """Where the server's bytes arrive."""
        return self._child.stdout.fileno()

    @property
    def write_fd(self) -> int:
        """Where requests go."""
        return self._child.stdin.fileno()

    def explain(self) -> MigratorError:
        """Why it ended early, from ssh's log; ends it when it has not."""
        if self._child.wait(_EXPLAIN_SECONDS) is None:
            self._was_interrupted = True
            self._child.kill()
            self._child.wait(_EXPLAIN_SECONDS)
        stories, words = self._child.stories, self._child.words
        if self._is_command and stories[-1].has_status:
            return connection_error(Failure.NO_COMMAND, self._route[-1], last_line(words))
        return diagnose(self._route, stories, words, was_cut_off=self._was_interrupted or self._child.was_given_up)

    def interrupt(self) -> None:
        """Kill ssh, which ends both pipes."""
        self._was_interrupted = True
        self._child.kill()

    def close(self) -> None:
        """Let ssh say goodbye, and reap it."""
        self._connector.forget(self)
        self._child.end()

    def banner(self) -> bytes | None:
        """The software of the server at the end of the route, once it has named itself."""
        return self._child.stories[-1].banner


class OpensshConnector:
    """Speaks SSH to `spec`, by way of `jumps` (first hop first), through the system's client; see `Connector`."""

    def __init__(self, spec: EndpointSpec, jumps: Sequence[EndpointSpec] = (), door: Door = nullcontext) -> None:
        self._route = (*jumps, spec)
        self._door = door
        for each in self._route:
            check_names(each)
        self._lock = threading.Lock()
        self._pins: list[AnonymousFile | None] | None = None
        self._channels: set[OpensshChannel] = set()
        self._banner: bytes | None = None

    @property
    def peer(self) -> str:
        """The server's software; see `Connector.peer`."""
        with self._lock:
            channels = tuple(self._channels)
        for channel in channels:
            self._banner = self._banner or channel.banner()
        return display(self._banner) if self._banner else "unknown"

    def open_sftp(self) -> OpensshChannel:
        """Start an ssh with an SFTP session; a failure shows when its output ends, and `explain` tells it."""
        return self._kept(OpensshChannel(self, self._route, self._start("-s", "--", host_of(self._route[-1]), "sftp")))

    def open_command(self, argv: Sequence[str]) -> OpensshChannel:
        """Start an ssh that runs a command; a failure shows when its output ends, and `explain` tells it."""
        child = self._start("--", host_of(self._route[-1]), shlex.join(argv))
        return self._kept(OpensshChannel(self, self._route, child, is_command=True))

    def run(self, argv: Sequence[str], timeout_seconds: float, *, holds_input: bool = False) -> Completed:
        """Run a command on a connection of its own, whose making counts towards the time; see `Connector.run`."""
        child = self._start("--", host_of(self._route[-1]), shlex.join(argv), seconds=timeout_seconds)
        try:
            if not holds_input:
                child.stdin.close()
            return self._outcome(child, timeout_seconds)
        finally:
            child.kill()
            child.end()

    def forget(self, channel: OpensshChannel) -> None:
        """Called by a channel that closes."""
        self._banner = self._banner or channel.banner()
        with self._lock:
            self._channels.discard(channel)

    def close(self) -> None:
        """End every ssh."""
        with self._lock:
            channels, pins, self._pins = tuple(self._channels), self._pins, None
        for channel in channels:
            channel.close()
        for file in pins or ():
            if file is not None:
                file.close()

    def _kept(self, channel: OpensshChannel) -> OpensshChannel:
        with self._lock:
            self._channels.add(channel)
        return channel

    def _outcome(self, child: SshChild, timeout_seconds: float) -> Completed:
        deadline = child.started_at + timeout_seconds
        stdout = _read_until(child, deadline)
        status = child.wait(max(0.0, deadline - time.monotonic()))
        story = child.stories[-1]
        self._banner = self._banner or story.banner
        if not story.is_logged_in:
            raise diagnose(self._route, child.stories, child.words, was_cut_off=status is None or child.was_given_up)
        return Completed(status if story.has_status else None, stdout, child.words)

    def _start(self, *ending: str, seconds: float = HANDSHAKE_SECONDS) -> SshChild:
        """An ssh that has a session, or has ended: after `seconds`, or HANDSHAKE_SECONDS, without one we end it."""
        for spec in self._route:
            check_identity(spec)
        with self._door():
            child = SshChild(self._route, self._pinned(), ending)
            child.wait_for_session(min(seconds, HANDSHAKE_SECONDS))
        return child

    def _pinned(self) -> list[Path | None]:
        with self._lock:
            if self._pins is None:
                texts = [pins_of(spec) for spec in self._route]
                self._pins = [AnonymousFile(text.encode()) if text is not None else None for text in texts]
            return [file.path if file is not None else None for file in self._pins]


def _read_until(child: SshChild, deadline: float) -> bytes:
    """Standard output to its end or to the deadline; what is beyond the limit is read and dropped."""
    kept = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0 and selector.select(left):
            data = child.stdout.read(64 * 1024)
            if not data:
                break
            kept += data[: OUTPUT_LIMIT_BYTES - len(kept)]
    return bytes(kept)
