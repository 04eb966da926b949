"""The `paramiko` connector: SSH in this process, for machines without an ssh client."""

from __future__ import annotations

import select
import shlex
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import paramiko

from migrator.domain.entries import display
from migrator.domain.plan import EndpointSpec
from migrator.endpoints.contract import OUTPUT_LIMIT_BYTES, Completed
from migrator.endpoints.ssh.channel import Door
from migrator.endpoints.ssh.failures import Failure
from migrator.endpoints.ssh.paramiko_channel import ParamikoChannel
from migrator.endpoints.ssh.paramiko_link import Link
from migrator.endpoints.ssh.route import check_names

_READ_BYTES = 64 * 1024
_BANNER_LIMIT = 120


class ParamikoConnector:
    """Speaks SSH to `spec`, by way of `jumps` (first hop first), a connection for each channel; see `Connector`."""

    def __init__(self, spec: EndpointSpec, jumps: Sequence[EndpointSpec] = (), door: Door = nullcontext) -> None:
        self._route = (*jumps, spec)
        self._door = door
        for each in self._route:
            check_names(each)
        self._lock = threading.Lock()
        self._channels: list[ParamikoChannel] = []
        self._banner = ""

    @property
    def peer(self) -> str:
        """The server's software; see `Connector.peer`."""
        return display(self._banner.encode("utf-8", "surrogateescape")) or "unknown"

    def open_sftp(self) -> ParamikoChannel:
        """Connect, log in and start an SFTP session, or raise why not."""
        return self._opened(lambda channel: channel.invoke_subsystem("sftp"), Failure.NO_SFTP, Failure.SFTP_ENDED)

    def open_command(self, argv: Sequence[str]) -> ParamikoChannel:
        """Connect, log in and start a command, or raise why not."""
        return self._opened(
            lambda channel: channel.exec_command(_as_command(argv)), Failure.NO_COMMAND, Failure.NO_COMMAND
        )

    def _opened(self, start: Callable[[paramiko.Channel], object], refused: Failure, ended: Failure) -> ParamikoChannel:
        link, channel = self._connected()
        try:
            with link.limited(), link.mapped(refused):
                start(channel)
            session = ParamikoChannel(link, channel, self._route[-1], ended)
        except BaseException:
            link.close()
            raise
        with self._lock:
            self._channels.append(session)
        return session

    def run(self, argv: Sequence[str], timeout_seconds: float, *, holds_input: bool = False) -> Completed:
        """Run a command on a connection of its own, whose making counts towards the time; see `Connector.run`."""
        deadline = time.monotonic() + timeout_seconds
        link, channel = self._connected()
        try:
            try:
                with link.limited(), link.mapped(Failure.UNCLEAR):
                    channel.exec_command(_as_command(argv))
                    if not holds_input:
                        channel.shutdown_write()
                stdout, stderr = _read_until(channel, deadline)
                return Completed(_status(channel, deadline), stdout, stderr)
            finally:
                channel.close()
        finally:
            link.close()

    def close(self) -> None:
        """End every connection."""
        with self._lock:
            channels, self._channels = self._channels, []
        for channel in channels:
            channel.close()

    def _connected(self) -> tuple[Link, paramiko.Channel]:
        # Through the door up to here: a server takes a connection for one that logs in until it has a session.
        with self._door():
            link = self._link()
            try:
                return link, link.open_channel()
            except BaseException:
                link.close()
                raise

    def _link(self) -> Link:
        link = Link(self._route)
        # "SSH-2.0-OpenSSH_9.2p1 Debian-2": the third part is the software and its comment (RFC 4253, section 4.2).
        self._banner = link.transport.remote_version.split("-", 2)[-1][:_BANNER_LIMIT]
        return link


def _as_command(argv: Sequence[str]) -> bytes:
    return shlex.join(argv).encode("utf-8", "surrogateescape")


def _read_until(channel: paramiko.Channel, deadline: float) -> tuple[bytes, bytes]:
    """Both outputs to their end or to the deadline; what is beyond the limit is read and dropped."""
    stdout, stderr = bytearray(), bytearray()
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)
    while (left := deadline - time.monotonic()) > 0 and poll.poll(1000 * left):
        if channel.recv_ready():
            stdout += channel.recv(_READ_BYTES)[: OUTPUT_LIMIT_BYTES - len(stdout)]
        elif channel.recv_stderr_ready():
            stderr += channel.recv_stderr(_READ_BYTES)[: OUTPUT_LIMIT_BYTES - len(stderr)]
        elif channel.eof_received or channel.closed:
            break
    return bytes(stdout), bytes(stderr)


def _status(channel: paramiko.Channel, deadline: float) -> int | None:
    """The command's exit status, 255 when a signal ended it as with ssh; None when the time or the connection ended."""
    if not channel.status_event.wait(max(0.0, deadline - time.monotonic())):
        return None
    if channel.exit_status >= 0:
        return channel.exit_status
    return 255 if channel.get_transport().is_active() else None
