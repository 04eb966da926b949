"""Reading over SFTP: what is handed out is the file and nothing else, however the server behaves."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path

import pytest

from migrator.domain.entries import Entry, Kind
from migrator.endpoints.contract import Piece, Problem, SourceTree
from migrator.endpoints.sftp import wire
from migrator.endpoints.sftp.endpoint import SftpEndpoint
from migrator.endpoints.sftp.read import Reader
from migrator.errors import EndpointUnavailable
from tests.support.accounts import NOBODY, open_folder
from tests.support.sftp_pipe import PipeConnector, pipe_spec, piped_endpoint, piped_session
from tests.support.sftp_relay import FewHandles, Reordering, Tampering, packet, relayed_endpoint, status
from tests.support.trees import write_file

SIZES = (0, 1, 4096, 32767, 32768, 32769, 261118, 261119, 261120, 261121, 522240, 522241, 5_000_001)

# The requests that write nothing: all that may ever reach a source.
READING = {
    wire.INIT,
    wire.OPEN,
    wire.CLOSE,
    wire.READ,
    wire.LSTAT,
    wire.FSTAT,
    wire.OPENDIR,
    wire.READDIR,
    wire.REALPATH,
    wire.READLINK,
    wire.EXTENDED,
}


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    root = os.fsencode(tmp_path / "root")
    os.mkdir(root)
    return root


@pytest.fixture
def contents(root: bytes) -> dict[bytes, bytes]:
    """Files of all sizes, the small between the large, three of each."""
    contents = {b"%d-%d" % (turn, size): random.Random(size).randbytes(size) for turn in range(3) for size in SIZES}
    for name, content in contents.items():
        write_file(root + b"/" + name, content)
    return contents


def a_file(path: bytes, size: int) -> Entry:
    return Entry(path, Kind.FILE, size, 0, 0o644, 0, 0)


def entries(contents: dict[bytes, bytes]) -> list[Entry]:
    return [a_file(name, len(content)) for name, content in contents.items()]


def read_all(tree: SourceTree, wanted: Iterable[Entry]) -> dict[bytes, tuple[bytes, Piece]]:
    """Content and last piece of each file; the order, and that pieces do not mix, are checked on the way."""
    answers: dict[bytes, tuple[bytes, Piece]] = {}
    content: list[bytes] = []
    wanted = list(wanted)
    for piece in tree.read(wanted):
        assert piece.entry == wanted[len(answers)]
        content.append(piece.data)
        if piece.is_last:
            answers[piece.entry.path] = b"".join(content), piece
            content = []
    assert len(answers) == len(wanted)
    return answers


def assert_whole(tree: SourceTree, contents: dict[bytes, bytes]) -> None:
    answers = read_all(tree, entries(contents))
    assert [piece for _, piece in answers.values() if piece.problem is not None] == []
    assert {name: content for name, (content, _) in answers.items()} == contents


class Sparing(Tampering):
    """Brings at most a few bytes at a time, whatever it is asked for."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def on_request(self, kind: int, request: int, body: bytes) -> tuple[int, bytes] | bytes:
        if kind == wire.READ:
            offset, length = struct.unpack(">QI", body[-12:])
            return kind, body[:-12] + struct.pack(">QI", offset, min(length, self._most))
        return kind, body


class Plain(Tampering):
    """Offers no extension."""

    def on_answer(self, kind: int, request: int, body: bytes) -> bytes:
        return packet(kind, request, b"" if kind == wire.VERSION else body)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(Tampering, id="usual"),
        pytest.param(Plain, id="no extensions"),
        pytest.param(Reordering, id="out of order"),
        pytest.param(lambda: Sparing(7000), id="short answers"),
        pytest.param(lambda: FewHandles(1), id="one handle"),
        pytest.param(lambda: FewHandles(3), id="three handles"),
    ],
)
def test_files_of_all_sizes_come_whole(
    root: bytes, contents: dict[bytes, bytes], make: Callable[[], Tampering]
) -> None:
    with relayed_endpoint(make()) as endpoint:
        assert_whole(endpoint.source(root), contents)


def test_one_handle_is_learned(root: bytes, contents: dict[bytes, bytes]) -> None:
    tampering = FewHandles(1)
    with relayed_endpoint(tampering) as endpoint:
        tree = endpoint.source(root)
        assert_whole(tree, contents)
        refusals = tampering.refusals
        assert 0 < refusals < 130
        assert_whole(tree, contents)
        assert tampering.refusals == refusals


def test_two_thousand_small_files_cost_few_round_trips(root: bytes) -> None:
    contents = {b"%04d" % number: b"%d" % number * (number % 50) for number in range(2000)}
    for name, content in contents.items():
        write_file(root + b"/" + name, content)
    tampering = Tampering()
    with relayed_endpoint(tampering) as endpoint:
        assert_whole(endpoint.source(root), contents)
    kinds = [kind for kind, _ in tampering.requests]
    assert kinds.count(wire.OPEN) == kinds.count(wire.CLOSE) == kinds.count(wire.READ) == 2000
    assert len(kinds) < 5 * 2000 + 10


def test_a_source_is_never_written(root: bytes, contents: dict[bytes, bytes]) -> None:
    os.symlink(b"text", root + b"/link")
    tampering = Tampering()
    with relayed_endpoint(tampering) as endpoint:
        tree = endpoint.source(root)
        wanted = [each for block in tree.scan() for each in block if isinstance(each, Entry)]
        read_all(tree, [entry for entry in wanted if entry.kind is Kind.FILE])
        assert tree.stat(b"link") is not None
    assert {kind for kind, _ in tampering.requests} <= READING
    for kind, body in tampering.requests:
        if kind == wire.OPEN:
            _, end = wire.take_string(body, 0)
            assert struct.unpack_from(">I", body, end) == (wire.OPEN_READ,)
        if kind == wire.EXTENDED:
            assert wire.take_string(body, 0)[0] == wire.LIMITS


def test_a_read_only_server_is_enough_for_a_source(root: bytes, contents: dict[bytes, bytes]) -> None:
    with piped_endpoint("-R") as endpoint:
        assert_whole(endpoint.source(root), contents)


class Meddling(Tampering):
    """Tells of one file what it is like when it is open, and does something to it before anything else happens."""

    def __init__(self, path: bytes, meddle: Callable[[bytes], None]) -> None:
        super().__init__()
        self._path = path
        self._meddle = meddle
        self._has_meddled = False

    def on_request(self, kind: int, request: int, body: bytes) -> tuple[int, bytes] | bytes:
        if kind != wire.FSTAT or self._has_meddled:
            return kind, body
        self._has_meddled = True
        found = os.stat(self._path)
        self._meddle(self._path)
        fields = (0x0F, found.st_size, found.st_uid, found.st_gid, found.st_mode, int(found.st_mtime))
        return packet(wire.ATTRS, request, struct.pack(">IQIIIII", *fields, int(found.st_mtime)))


def rewrite(path: bytes) -> None:
    write_file(path, b"x" * os.path.getsize(path), mtime_ns=10**18)


def append(path: bytes) -> None:
    with open(path, "ab") as file:
        file.write(b"more")


def become_a_link(path: bytes) -> None:
    os.rename(path, path + b".old")
    os.symlink(path + b".old", path)


def become_a_folder(path: bytes) -> None:
    os.unlink(path)
    os.mkdir(path)


@pytest.mark.parametrize("size", [100, 1_000_000])
@pytest.mark.parametrize("meddle", [rewrite, append, os.unlink, become_a_link, become_a_folder])
def test_what_moves_while_it_is_read_has_changed(root: bytes, meddle: Callable[[bytes], None], size: int) -> None:
    path = root + b"/file"
    write_file(path, b"y" * size)
    write_file(root + b"/next", b"next")
    with relayed_endpoint(Meddling(path, meddle)) as endpoint:
        answers = read_all(endpoint.source(root), [a_file(b"file", size), a_file(b"next", 4)])
    assert answers[b"file"][1].problem is Problem.CHANGED
    assert answers[b"next"][0] == b"next"


def test_content_where_none_was_announced_is_a_failure() -> None:
    with piped_endpoint() as endpoint:
        tree = endpoint.source(b"/proc")
        entry = tree.stat(b"version")
        assert entry is not None
        assert entry.size == 0
        _, piece = read_all(tree, [entry])[b"version"]
    assert piece.problem is Problem.FAILED
    assert "more content" in piece.reason


class Lying(Tampering):
    """Adds to the size that it tells of every file."""

    def __init__(self, more: int) -> None:
        super().__init__()
        self._more = more

    def on_answer(self, kind: int, request: int, body: bytes) -> bytes:
        if kind == wire.ATTRS and struct.unpack_from(">I", body)[0] == 0x0F:
            body = body[:4] + struct.pack(">Q", struct.unpack_from(">Q", body, 4)[0] + self._more) + body[12:]
        return packet(kind, request, body)


@pytest.mark.parametrize("size", [0, 1000, 1_000_000])
@pytest.mark.parametrize("entry_knows", [True, False])
def test_less_than_announced_is_a_failure(root: bytes, size: int, entry_knows: bool) -> None:
    write_file(root + b"/file", b"z" * size)
    with relayed_endpoint(Lying(90)) as endpoint:
        wanted = a_file(b"file", size + 90 if entry_knows else size)
        content, piece = read_all(endpoint.source(root), [wanted])[b"file"]
    assert piece.problem is Problem.FAILED
    assert piece.reason == f"short read {size} of {size + 90}"
    assert len(content) <= size


@pytest.mark.parametrize("size", [1000, 1_000_000])
def test_more_than_announced_is_a_failure(root: bytes, size: int) -> None:
    write_file(root + b"/file", b"z" * size)
    with relayed_endpoint(Lying(-90)) as endpoint:
        _, piece = read_all(endpoint.source(root), [a_file(b"file", size - 90)])[b"file"]
    assert piece.problem is Problem.FAILED
    assert "more content than" in piece.reason


class Refusing(Tampering):
    """Answers one kind of request with a failure."""

    def __init__(self, refused: int, code: int = wire.FAILURE, message: bytes = b"Input/output error") -> None:
        super().__init__()
        self._refused = refused
        self._code = code
        self._message = message

    def on_request(self, kind: int, request: int, body: bytes) -> tuple[int, bytes] | bytes:
        return status(request, self._code, self._message) if kind == self._refused else (kind, body)


@pytest.mark.parametrize("refused", [wire.OPEN, wire.READ, wire.FSTAT, wire.LSTAT])
def test_what_the_server_cannot_do_is_that_file_s_failure(
    root: bytes, contents: dict[bytes, bytes], refused: int
) -> None:
    with relayed_endpoint(Refusing(refused)) as endpoint:
        answers = read_all(endpoint.source(root), entries(contents))
    problems = {(piece.problem, piece.reason) for _, piece in answers.values()}
    assert problems == {(Problem.FAILED, "the server says: Input/output error")}


def test_a_file_that_may_not_be_read_says_so() -> None:
    with open_folder() as root:
        write_file(root + b"/closed", b"secret", mode=0o000)
        write_file(root + b"/open", b"public")
        with piped_endpoint(user=NOBODY if os.geteuid() == 0 else None) as endpoint:
            answers = read_all(endpoint.source(root), [a_file(b"closed", 6), a_file(b"open", 6)])
    assert answers[b"closed"][1].problem is Problem.FAILED
    assert answers[b"closed"][1].reason == "permission denied"
    assert answers[b"open"][0] == b"public"


def test_reading_given_up_half_way_leaves_no_handle_open(root: bytes, contents: dict[bytes, bytes]) -> None:
    with piped_session() as session:
        pieces = Reader(session, root).pieces(entries(contents))
        assert isinstance(pieces, Generator)
        for _ in range(12):
            next(pieces)
        assert session.handles.open > 0
        pieces.close()
        session.until(lambda: session.in_flight == 0)
        assert session.handles.open == 0


def test_what_is_wanted_may_come_one_by_one(root: bytes, contents: dict[bytes, bytes]) -> None:
    """The reader asks for the next file only as far as it reads ahead, and looks at the tree meanwhile."""

    def coming(tree: SourceTree) -> Iterator[Entry]:
        for entry in entries(contents):
            found = tree.stat(entry.path)
            assert found is not None
            yield found

    with piped_endpoint() as endpoint:
        tree = endpoint.source(root)
        whole = b"".join(piece.data for piece in tree.read(coming(tree)))
    assert whole == b"".join(contents.values())


def test_memory_is_bounded_by_the_window(root: bytes) -> None:
    for number in range(4):
        with open(root + b"/%d" % number, "wb") as file:
            file.truncate(60_000_000)
    with piped_session() as session:
        reader = Reader(session, root)
        most = 0
        for _ in reader.pieces(a_file(b"%d" % number, 60_000_000) for number in range(4)):
            most = max(most, reader._window.held_bytes)
    assert 1_000_000 < most < 14_000_000


def test_a_lost_connection_ends_the_read_and_the_tree_comes_back(root: bytes, contents: dict[bytes, bytes]) -> None:
    connector = PipeConnector()
    endpoint = SftpEndpoint(pipe_spec(), connector)
    tree = endpoint.source(root)
    pieces = tree.read(entries(contents))
    next(pieces)
    connector.channels[0].interrupt()
    with pytest.raises(EndpointUnavailable):
        list(pieces)
    assert_whole(tree, contents)
    endpoint.close()
