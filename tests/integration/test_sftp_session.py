"""The engine: many requests in flight with a real server, and a server that does not play by the rules."""

from __future__ import annotations

import os
import random
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from migrator.endpoints.sftp import calls, wire
from migrator.endpoints.sftp.session import SftpSession
from migrator.errors import EndpointUnavailable, MigratorError, SafetyStop
from tests.support.sftp_pipe import PipeConnector, piped_session
from tests.support.sftp_relay import Tampering, packet, relayed_session, status, string


class Talker:
    """A Channel whose server is a function that is given the two descriptors of the other side."""

    def __init__(self, serve: Callable[[int, int], None]) -> None:
        self._requests, self.write_fd = os.pipe()
        self.read_fd, self._answers = os.pipe()
        self._thread = threading.Thread(target=serve, args=(self._requests, self._answers))
        self._thread.start()
        self._is_closed = False

    def explain(self) -> MigratorError:
        return EndpointUnavailable("the talker ended")

    def interrupt(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        os.close(self.write_fd)  # ends a server that waits for more
        self._thread.join(10)
        for fd in (self.read_fd, self._requests, self._answers):
            os.close(fd)


@pytest.fixture
def talk() -> Iterator[Callable[[bytes], Talker]]:
    """Makes channels to a server that says one thing and then listens until it is left."""
    talkers = []

    def make(saying: bytes) -> Talker:
        def serve(requests: int, answers: int) -> None:
            os.write(answers, saying)
            while os.read(requests, 65536):
                pass

        talkers.append(Talker(serve))
        return talkers[-1]

    yield make
    for talker in talkers:
        talker.close()


def version(number: int = 3, extensions: bytes = b"") -> bytes:
    return packet(wire.VERSION, number, extensions)


class TestHandshake:
    def test_limits_and_extensions_are_the_server_s(self) -> None:
        with piped_session() as session:
            assert {wire.FSYNC, wire.POSIX_RENAME, wire.STATVFS, wire.LIMITS} <= session.extensions
            assert session.read_bytes == session.write_bytes == 261120
            assert session.handles.limit == 128

    def test_a_server_without_extensions_gets_cautious_figures(self, talk: Callable[[bytes], Talker]) -> None:
        session = SftpSession.start(talk(version()), "plain")
        assert session.extensions == frozenset()
        assert session.read_bytes == session.write_bytes == 32768
        assert session.handles.limit == 32

    def test_a_login_script_that_prints_is_told(self, talk: Callable[[bytes], Talker]) -> None:
        with pytest.raises(EndpointUnavailable, match=r"Welcome to .*x1b") as caught:
            SftpSession.start(talk(b"Welcome to \x1b[1mlegacy\n"), "chatty")
        assert caught.value.hint is not None
        assert "login script" in caught.value.hint

    def test_another_version_is_told(self, talk: Callable[[bytes], Talker]) -> None:
        with pytest.raises(EndpointUnavailable, match="version 2"):
            SftpSession.start(talk(version(2)), "old")

    def test_extensions_that_cannot_be_read_are_a_stop(self, talk: Callable[[bytes], Talker]) -> None:
        with pytest.raises(SafetyStop):
            SftpSession.start(talk(version(3, struct.pack(">I", 99) + b"short")), "odd")

    def test_an_early_end_is_left_to_the_opener(self) -> None:
        def leave(_requests: int, answers: int) -> None:
            os.write(answers, b"\0\0")
            os.dup2(os.open(os.devnull, os.O_RDONLY), answers)

        talker = Talker(leave)
        with pytest.raises(EOFError):
            SftpSession.start(talker, "gone")
        talker.close()

    def test_silence_is_left_to_the_opener(self, talk: Callable[[bytes], Talker]) -> None:
        with pytest.raises(TimeoutError):
            SftpSession.start(talk(b"\0\0"), "silent", no_progress_seconds=0.2)


class TestEngine:
    def test_many_requests_and_much_content_in_both_directions(self, tmp_path: Path) -> None:
        """More than all pipes and buffers hold is on its way at once: whoever waited to write would wait for ever."""
        content = random.Random(1).randbytes(6_000_000)
        (tmp_path / "in").write_bytes(content)
        received: dict[int, bytes] = {}
        with piped_session() as session:
            here = os.fsencode(tmp_path)
            calls.write_small(session, here + b"/out", b"")
            handles = []
            for name, flags in ((b"/in", wire.OPEN_READ), (b"/out", wire.OPEN_WRITE)):
                payload = wire.string(here + name) + wire.word(flags) + wire.attributes()
                handles.append(
                    wire.string(session.call(wire.OPEN, payload, lambda _kind, body: wire.take_handle(body)))
                )
            size = 100_000
            for start in range(0, len(content), size):

                def keep(_kind: int, body: memoryview, start: int = start) -> None:
                    received[start] = wire.take_data(body, size)

                session.send(wire.READ, handles[0] + wire.reach(start, size), keep)
                part = content[start : start + size]
                request = handles[1] + wire.long(start) + wire.word(len(part))
                session.send(wire.WRITE, request, lambda _kind, _body: None, part)
            session.until(lambda: session.in_flight == 0)
        assert b"".join(received[start] for start in sorted(received)) == content
        assert (tmp_path / "out").read_bytes() == content

    def test_offsets_go_beyond_4_gib(self, tmp_path: Path) -> None:
        with (tmp_path / "huge").open("wb") as file:
            file.seek(5 * 2**30)
            file.write(b"beyond")
        with piped_session() as session:
            path = os.fsencode(tmp_path / "huge")
            found = calls.lstat(session, path)
            assert found is not None
            assert found.size == 5 * 2**30 + 6
            payload = wire.string(path) + wire.word(wire.OPEN_READ | wire.OPEN_WRITE) + wire.attributes()
            handle = wire.string(session.call(wire.OPEN, payload, lambda _kind, body: wire.take_handle(body)))
            request = handle + wire.reach(5 * 2**30, 100)
            assert session.call(wire.READ, request, lambda _kind, body: wire.take_data(body, 100)) == b"beyond"
            session.call(wire.WRITE, handle + wire.long(6 * 2**30) + wire.string(b"further"), lambda kind, _: kind)
        with (tmp_path / "huge").open("rb") as file:
            file.seek(6 * 2**30)
            assert file.read() == b"further"

    def test_a_server_that_dies_is_explained_by_its_channel(self, tmp_path: Path) -> None:
        connector = PipeConnector()
        channel = connector.open_sftp()
        session = SftpSession.start(channel, "dying")
        channel.process.send_signal(signal.SIGKILL)
        with pytest.raises(EndpointUnavailable, match="status -9"):
            calls.lstat(session, os.fsencode(tmp_path))
        with pytest.raises(EndpointUnavailable, match="status -9"):
            calls.lstat(session, os.fsencode(tmp_path))
        assert session.is_over
        connector.close()

    def test_an_interrupted_session_ends(self, tmp_path: Path) -> None:
        with piped_session() as session:
            session.interrupt()
            with pytest.raises(EndpointUnavailable):
                calls.lstat(session, os.fsencode(tmp_path))

    def test_waiting_for_nothing_is_a_mistake_and_not_a_hang(self) -> None:
        with piped_session() as session, pytest.raises(RuntimeError):
            session.pump()


class Mute(Tampering):
    """Once it is asked for attributes it says nothing any more, or begins an answer with a byte now and then."""

    def __init__(self, *, trickles: bool) -> None:
        super().__init__()
        self._trickle = packet(wire.ATTRS, 1, bytes(100_000)) if trickles else b""
        self._is_mute = False

    def on_request(self, kind: int, request: int, body: bytes) -> tuple[int, bytes] | bytes:
        self._is_mute = kind == wire.LSTAT
        return b"" if self._is_mute else (kind, body)

    def on_idle(self) -> bytes:
        if not self._is_mute:
            return b""
        byte, self._trickle = self._trickle[:1], self._trickle[1:]
        return byte


@pytest.mark.parametrize("trickles", [False, True])
def test_silence_and_a_byte_now_and_then_end_in_time(tmp_path: Path, trickles: bool) -> None:
    with relayed_session(Mute(trickles=trickles), no_progress_seconds=0.3) as session:
        start = time.monotonic()
        with pytest.raises(EndpointUnavailable, match="did not answer"):
            calls.lstat(session, os.fsencode(tmp_path))
        assert 0.25 < time.monotonic() - start < 20


class Breaking(Tampering):
    """Answers LSTAT with packets of the test's choice, made from the id of the request."""

    def __init__(self, answer: Callable[[int], bytes]) -> None:
        super().__init__()
        self._answer = answer

    def on_request(self, kind: int, request: int, body: bytes) -> tuple[int, bytes] | bytes:
        return self._answer(request) if kind == wire.LSTAT else (kind, body)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda request: packet(wire.ATTRS, request + 7, struct.pack(">I", 0)), id="unknown id"),
        pytest.param(lambda request: struct.pack(">IBI", 2**31, wire.ATTRS, request), id="oversize"),
        pytest.param(lambda request: struct.pack(">IBI", 4, wire.ATTRS, request), id="undersize"),
        pytest.param(lambda request: packet(wire.STATUS, request, b"\0"), id="truncated status"),
        pytest.param(lambda request: packet(wire.ATTRS, request, b"\0\0\0\x0f"), id="truncated attributes"),
        pytest.param(lambda request: packet(wire.HANDLE, request, string(b"h")), id="another kind"),
        pytest.param(lambda request: status(request, wire.OK), id="success without an answer"),
        pytest.param(
            lambda request: packet(wire.ATTRS, request, struct.pack(">IQ", 1, 2**64 - 1)), id="an impossible size"
        ),
    ],
)
def test_a_server_that_breaks_the_protocol_is_a_stop(tmp_path: Path, answer: Callable[[int], bytes]) -> None:
    with relayed_session(Breaking(answer)) as session:
        with pytest.raises(SafetyStop) as caught:
            calls.lstat(session, os.fsencode(tmp_path))
        assert caught.value.hint
        assert session.is_over
