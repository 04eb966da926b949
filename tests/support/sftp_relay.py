"""A man in the middle between our client and the real sftp-server, for what that server never does by itself."""

from __future__ import annotations

import contextlib
import os
import select
import struct
import threading
from collections.abc import Iterator, Sequence

from migrator.endpoints.contract import Completed
from migrator.endpoints.sftp.endpoint import SftpEndpoint
from migrator.endpoints.sftp.session import SftpSession
from migrator.errors import EndpointUnavailable, MigratorError
from tests.support.sftp_pipe import SFTP_SERVER, PipeChannel, pipe_spec

_OPEN, _CLOSE, _OPENDIR = 3, 4, 11
_STATUS, _FAILURE = 101, 4

_HEADER = struct.Struct(">IBI")


def packet(kind: int, request: int, body: bytes) -> bytes:
    return _HEADER.pack(len(body) + 5, kind, request) + body


def string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def status(request: int, code: int, message: bytes = b"Failure") -> bytes:
    return packet(_STATUS, request, struct.pack(">I", code) + string(message) + string(b""))


class Tampering:
    """Passes everything on and keeps a record; subclasses say what they change. Called from one thread at a time."""

    def __init__(self) -> None:
        self.requests: list[tuple[int, bytes]] = []  # kind and body, as the client sent them

    def on_request(self, kind: int, request: int, body: bytes) -> tuple[int, bytes] | bytes:
        """What is forwarded instead (kind, body), or what is answered in the server's place (whole packets)."""
        return kind, body

    def on_answer(self, kind: int, request: int, body: bytes) -> bytes:
        """What reaches the client in place of this answer (whole packets); for VERSION, `request` is the version."""
        return packet(kind, request, body)

    def on_idle(self) -> bytes:
        """What reaches the client when the server has said nothing for a moment."""
        return b""


class FewHandles(Tampering):
    """Allows few handles at a time, and says only "failure" to more, as servers do."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self._open = 0
        self._asked: set[int] = set()
        self.refusals = 0

    def on_request(self, kind: int, request: int, body: bytes) -> tuple[int, bytes] | bytes:
        if kind in {_OPEN, _OPENDIR}:
            if self._open >= self._most:
                self.refusals += 1
                return status(request, _FAILURE)
            self._open += 1
            self._asked.add(request)
        if kind == _CLOSE:
            self._open -= 1
        return kind, body

    def on_answer(self, kind: int, request: int, body: bytes) -> bytes:
        if request in self._asked:
            self._asked.discard(request)
            self._open -= kind == _STATUS  # nothing was opened after all
        return packet(kind, request, body)


class Reordering(Tampering):
    """Answers out of order, as a server with several threads does: in groups turned round."""

    def __init__(self) -> None:
        super().__init__()
        self._held: list[bytes] = []

    def on_answer(self, kind: int, request: int, body: bytes) -> bytes:
        self._held.append(packet(kind, request, body))
        return self.on_idle() if len(self._held) >= 7 else b""

    def on_idle(self) -> bytes:
        held, self._held = self._held, []
        return b"".join(held[::-1])


class RelayChannel:
    """A Channel to a real server that does as `tampering` says."""

    def __init__(self, tampering: Tampering) -> None:
        self.server = PipeChannel([SFTP_SERVER])
        self._tampering = tampering
        self._lock = threading.Lock()
        self._from_client, self._client_out = os.pipe()
        self._client_in, self._to_client = os.pipe()
        self._is_closed = False
        self._threads = [threading.Thread(target=self._carry, args=(way,)) for way in (self._up, self._down)]
        for thread in self._threads:
            thread.start()

    @property
    def read_fd(self) -> int:
        return self._client_in

    @property
    def write_fd(self) -> int:
        return self._client_out

    def explain(self) -> MigratorError:
        return EndpointUnavailable("the server ended")

    def interrupt(self) -> None:
        self.server.process.kill()

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        os.close(self._client_out)
        os.close(self._client_in)
        self.server.process.kill()
        for thread in self._threads:
            thread.join(10)
        os.close(self._from_client)
        self.server.close()

    def _carry(self, way: Iterator[None]) -> None:
        with contextlib.suppress(OSError, EOFError):  # one end or the other is closed
            for _ in way:
                pass

    @property
    def _up(self) -> Iterator[None]:
        while True:
            kind, request, body = _take(self._from_client)
            with self._lock:
                self._tampering.requests.append((kind, body))
                wanted = self._tampering.on_request(kind, request, body)
            if isinstance(wanted, bytes):
                with self._lock:
                    _give(self._to_client, wanted)
            else:
                _give(self.server.write_fd, packet(wanted[0], request, wanted[1]))
            yield

    @property
    def _down(self) -> Iterator[None]:
        try:
            while True:
                is_idle = not select.select([self.server.read_fd], [], [], 0.01)[0]
                taken = None if is_idle else _take(self.server.read_fd)
                with self._lock:
                    wanted = self._tampering.on_answer(*taken) if taken else self._tampering.on_idle()
                    _give(self._to_client, wanted)
                yield
        finally:
            os.close(self._to_client)


class RelayConnector:
    """A Connector whose sessions all go through one Tampering."""

    peer = "a tampered server"

    def __init__(self, tampering: Tampering) -> None:
        self._tampering = tampering
        self.channels: list[RelayChannel] = []

    def open_sftp(self) -> RelayChannel:
        channel = RelayChannel(self._tampering)
        self.channels.append(channel)
        return channel

    def open_command(self, argv: Sequence[str]) -> RelayChannel:
        raise NotImplementedError

    def run(self, argv: Sequence[str], timeout_seconds: float, *, holds_input: bool = False) -> Completed:
        raise NotImplementedError

    def close(self) -> None:
        for channel in self.channels:
            channel.close()


@contextlib.contextmanager
def relayed_endpoint(tampering: Tampering) -> Iterator[SftpEndpoint]:
    """An endpoint behind `tampering`."""
    endpoint = SftpEndpoint(pipe_spec("relayed"), RelayConnector(tampering))
    try:
        yield endpoint
    finally:
        endpoint.close()


@contextlib.contextmanager
def relayed_session(tampering: Tampering, no_progress_seconds: float = 10.0) -> Iterator[SftpSession]:
    """One session behind `tampering`."""
    channel = RelayChannel(tampering)
    try:
        yield SftpSession.start(channel, "relayed", no_progress_seconds)
    finally:
        channel.close()


def _take(fd: int) -> tuple[int, int, bytes]:
    length, kind, request = _HEADER.unpack(_exactly(fd, 9))
    return kind, request, _exactly(fd, length - 5)


def _exactly(fd: int, count: int) -> bytes:
    parts = []
    while count:
        part = os.read(fd, count)
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _give(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
