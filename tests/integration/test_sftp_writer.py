"""Writing over SFTP: nothing lands that is not whole, durable and in its place, on servers of all sorts."""

from __future__ import annotations

import os
import random
import stat
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from migrator.domain.entries import Entry, Kind
from migrator.endpoints.contract import Writer
from migrator.endpoints.sftp import outgoing_file, wire
from migrator.endpoints.sftp.endpoint import SftpEndpoint
from migrator.endpoints.sftp.target import SftpTarget
from migrator.errors import EndpointUnavailable, Incomplete, MigratorError, Refused
from tests.support.accounts import NOBODY, open_folder
from tests.support.sftp_pipe import PipeConnector, pipe_spec, piped_endpoint
from tests.support.sftp_relay import FewHandles, Reordering, Tampering, packet, relayed_endpoint, status, string
from tests.support.trees import write_file

KEY = b"k" * 32
KEEP = frozenset({"mode", "times"})
MTIME_NS = 1_530_534_645_000_000_000


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    root = os.fsencode(tmp_path / "root")
    os.mkdir(root)
    return root


def a_file(path: bytes, content: bytes, mode: int = 0o640) -> Entry:
    return Entry(path, Kind.FILE, len(content), MTIME_NS, mode, os.getuid(), os.getgid())


def a_link(path: bytes, text: bytes) -> Entry:
    return Entry(path, Kind.LINK, 0, MTIME_NS, 0o777, os.getuid(), os.getgid(), text)


def a_folder(path: bytes, mode: int = 0o755) -> Entry:
    return Entry(path, Kind.DIRECTORY, 0, MTIME_NS, mode, os.getuid(), os.getgid())


def put(writer: Writer, path: bytes, content: bytes = b"content") -> None:
    entry = a_file(path, content)
    writer.begin(entry)
    writer.write(content)
    writer.finish(entry)


def problems(writer: Writer) -> dict[bytes, str]:
    return {landed.path: landed.problem for landed in writer.commit() if landed.problem is not None}


def content_of(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()


CONTENTS = {
    b"%s%02d-%d" % (folder, number, size): random.Random(size).randbytes(size)
    for folder in (b"", b"a/", b"a/b/", b"c/d/e/")
    for number, size in enumerate((0, 1, 32768, 261120, 261121, 1_000_003))
}


class Plain(Tampering):
    """Offers no extension, and expects the arguments of SYMLINK in the order of the draft."""

    def on_request(self, kind: int, request: int, body: bytes) -> tuple[int, bytes] | bytes:
        if kind == wire.SYMLINK:
            path, end = wire.take_string(body, 0)
            text, _ = wire.take_string(body, end)
            return kind, string(text) + string(path)
        assert kind != wire.EXTENDED
        return kind, body

    def on_answer(self, kind: int, request: int, body: bytes) -> bytes:
        return packet(kind, request, b"" if kind == wire.VERSION else body)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(Tampering, id="usual"),
        pytest.param(Plain, id="no extensions, the draft's links"),
        pytest.param(Reordering, id="out of order"),
        pytest.param(lambda: FewHandles(1), id="one handle"),
        pytest.param(lambda: FewHandles(3), id="three handles"),
    ],
)
def test_files_and_links_land_on_any_server_and_replace_what_is_there(
    root: bytes, make: Callable[[], Tampering]
) -> None:
    with relayed_endpoint(make()) as endpoint:
        writer = endpoint.target(root, KEY).writer(KEEP)
        for turn in (b"first", b"second"):
            contents = {path: turn + content for path, content in CONTENTS.items()}
            for path, content in contents.items():
                put(writer, path, content)
            writer.link(a_link(b"link", b"/text of the " + turn))
            writer.link(a_link(b"a/new-" + turn, b"../nowhere"))
            assert problems(writer) == {}
            assert {path: content_of(root + b"/" + path) for path in contents} == contents
            assert os.readlink(root + b"/link") == b"/text of the " + turn
            assert os.readlink(root + b"/a/new-first") == b"../nowhere"
            assert [stat.S_IMODE(os.stat(root + b"/" + path).st_mode) for path in contents] == [0o640] * len(contents)
            assert {os.stat(root + b"/" + path).st_mtime_ns for path in contents} == {MTIME_NS}
        writer.close()
    assert set(os.listdir(root)) == {b"a", b"c", b"link", *(path for path in CONTENTS if b"/" not in path)}


def test_a_folder_in_the_way_is_a_problem_without_atomic_rename_too(root: bytes) -> None:
    write_file(root + b"/folder/inside")
    with relayed_endpoint(Plain()) as endpoint:
        writer = endpoint.target(root, KEY).writer(KEEP)
        put(writer, b"folder")
        put(writer, b"other")
        assert "folder stands there" in problems(writer)[b"folder"]
    assert sorted(os.listdir(root)) == [b"folder", b"other"]


class OnlyAside(Plain):
    """Lets what stands in the way step aside, but nothing take its place."""

    def on_request(self, kind: int, request: int, body: bytes) -> tuple[int, bytes] | bytes:
        if kind == wire.RENAME:
            old, end = wire.take_string(body, 0)
            new, _ = wire.take_string(body, end)
            if b".migrator-" in old and b".migrator-" not in new and os.path.exists(old) and content_of(old) == b"new":
                return status(request, wire.FAILURE)
        return super().on_request(kind, request, body)


def test_what_stepped_aside_comes_back_when_the_new_one_cannot_come(root: bytes) -> None:
    write_file(root + b"/file", b"old")
    with relayed_endpoint(OnlyAside()) as endpoint:
        writer = endpoint.target(root, KEY).writer(KEEP)
        put(writer, b"file", b"new")
        assert problems(writer).keys() == {b"file"}
        writer.close()
    assert content_of(root + b"/file") == b"old"
    assert os.listdir(root) == [b"file"]


def test_data_is_durable_before_its_name_shows(root: bytes) -> None:
    tampering = Tampering()
    with relayed_endpoint(tampering) as endpoint:
        writer = endpoint.target(root, KEY).writer(KEEP)
        put(writer, b"file")
        assert problems(writer) == {}
    sent = [
        wire.take_string(body, 0)[0] if kind == wire.EXTENDED else kind
        for kind, body in tampering.requests
        if kind not in {wire.INIT, wire.REALPATH, wire.LSTAT}
    ]
    in_order = [wire.LIMITS, wire.OPEN, wire.WRITE, wire.FSETSTAT, wire.FSYNC, wire.CLOSE, wire.POSIX_RENAME]
    assert sent == in_order


def test_a_huge_file_is_synced_on_the_way(root: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing_file, "_SYNC_EVERY_BYTES", 1_000_000)
    tampering = Tampering()
    content = random.Random(1).randbytes(5_000_000)
    with relayed_endpoint(tampering) as endpoint:
        writer = endpoint.target(root, KEY).writer(KEEP)
        put(writer, b"file", content)
        assert problems(writer) == {}
    assert content_of(root + b"/file") == content
    assert sum(wire.FSYNC in body for kind, body in tampering.requests if kind == wire.EXTENDED) == 5


class Refusing(Tampering):
    """Answers requests of one kind (an extension by its name) with a failure, from a certain one on."""

    def __init__(self, refused: int | bytes, after: int = 0, code: int = wire.FAILURE) -> None:
        super().__init__()
        self._refused = refused
        self._after = after
        self._code = code

    def on_request(self, kind: int, request: int, body: bytes) -> tuple[int, bytes] | bytes:
        name = wire.take_string(body, 0)[0] if kind == wire.EXTENDED else kind
        if name == self._refused:
            self._after -= 1
            if self._after < 0:
                return status(request, self._code)
        return kind, body


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (wire.OPEN, "cannot be made"),
        (wire.WRITE, "cannot be written"),
        (wire.FSETSTAT, "cannot get its owner, mode and times"),
        (wire.FSYNC, "cannot be made durable"),
        (wire.CLOSE, "cannot be closed"),
        (wire.POSIX_RENAME, "cannot get its name"),
    ],
)
def test_an_item_that_fails_leaves_nothing_and_spoils_no_other(root: bytes, refused: int | bytes, reason: str) -> None:
    write_file(root + b"/bad", b"as it was")
    with relayed_endpoint(Refusing(refused, after=1)) as endpoint:
        writer = endpoint.target(root, KEY).writer(KEEP)
        put(writer, b"good")
        assert problems(writer) == {}
        put(writer, b"bad", b"new")
        assert reason in problems(writer)[b"bad"]
        writer.close()
    assert content_of(root + b"/bad") == b"as it was"
    assert sorted(os.listdir(root)) == [b"bad", b"good"]


def test_fewer_bytes_than_announced_never_land(root: bytes) -> None:
    with piped_endpoint() as endpoint:
        writer = endpoint.target(root, KEY).writer(KEEP)
        entry = a_file(b"file", b"longer than that")
        writer.begin(entry)
        writer.write(b"short")
        writer.finish(entry)
        assert problems(writer) == {b"file": "5 bytes came of 16"}
        writer.close()
    assert os.listdir(root) == []


def test_a_time_that_cannot_be_carried_is_told(root: bytes) -> None:
    with piped_endpoint() as endpoint:
        writer = endpoint.target(root, KEY).writer(KEEP)
        for seconds, path in ((-5, b"old"), (2**32, b"far")):
            entry = a_file(path, b"")._replace(mtime_ns=seconds * 10**9)
            writer.begin(entry)
            writer.finish(entry)
            (landed,) = writer.settle([a_folder(b"folder")._replace(mtime_ns=seconds * 10**9)])
            assert "1970 to 2106" in (landed.problem or "")
        found = problems(writer)
        writer.close()
    assert found.keys() == {b"old", b"far"}
    assert os.listdir(root) == [b"folder"]


def test_a_folder_that_another_mover_makes_at_the_same_moment_is_no_problem(root: bytes) -> None:
    class Racing(Tampering):
        def on_request(self, kind: int, request: int, body: bytes) -> tuple[int, bytes] | bytes:
            if kind == wire.MKDIR:
                os.mkdir(wire.take_string(body, 0)[0])
            return kind, body

    with relayed_endpoint(Racing()) as endpoint:
        writer = endpoint.target(root, KEY).writer(KEEP)
        put(writer, b"a/b/file")
        assert problems(writer) == {}
    assert content_of(root + b"/a/b/file") == b"content"


def test_each_folder_is_looked_at_once_a_group(root: bytes) -> None:
    tampering = Tampering()
    with relayed_endpoint(tampering) as endpoint:
        writer = endpoint.target(root, KEY).writer(KEEP)
        for number in range(100):
            put(writer, b"a/b/%d" % number)
        assert problems(writer) == {}
        assert [kind for kind, _ in tampering.requests].count(wire.LSTAT) == 3
        os.rename(root + b"/a", root + b"/elsewhere")
        os.symlink(b"elsewhere", root + b"/a")
        put(writer, b"a/b/more")
        assert "is a link" in problems(writer)[b"a/b/more"]
    assert not os.path.exists(root + b"/elsewhere/b/more")


@pytest.fixture
def unprivileged() -> Iterator[tuple[SftpEndpoint, bytes]]:
    """An endpoint whose account owns a folder and has no rights elsewhere."""
    with open_folder() as folder:
        user = NOBODY if os.geteuid() == 0 else None
        root = folder + b"/root"
        os.mkdir(root)
        if user is not None:
            os.chown(root, user, user)
        with piped_endpoint(user=user) as endpoint:
            yield endpoint, root


def test_read_only_folders_are_filled_emptied_and_settled_without_rights(
    unprivileged: tuple[SftpEndpoint, bytes],
) -> None:
    endpoint, root = unprivileged
    writer = endpoint.target(root, KEY).writer(KEEP)
    put(writer, b"closed/inner/file")
    assert problems(writer) == {}
    folders = [a_folder(b"closed/inner", 0o555), a_folder(b"closed", 0o500)]
    assert [landed.problem for landed in writer.settle(folders)] == [None, None]
    put(writer, b"closed/inner/file", b"again")
    put(writer, b"closed/new/file")
    writer.link(a_link(b"closed/link", b"text"))
    assert problems(writer) == {}
    assert content_of(root + b"/closed/inner/file") == b"again"
    assert [landed.problem for landed in writer.settle(folders)] == [None, None]
    assert stat.S_IMODE(os.stat(root + b"/closed").st_mode) == 0o500
    assert stat.S_IMODE(os.stat(root + b"/closed/inner").st_mode) == 0o555
    gone = [a_file(b"closed/inner/file", b""), a_folder(b"closed/inner")]
    assert [landed.problem for landed in writer.remove(gone)] == [None, None]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what an account may not write to")
def test_what_belongs_to_others_is_each_item_s_problem(unprivileged: tuple[SftpEndpoint, bytes]) -> None:
    endpoint, root = unprivileged
    os.mkdir(root + b"/theirs")
    write_file(root + b"/theirs/file", b"theirs")
    writer = endpoint.target(root, KEY).writer(KEEP)
    put(writer, b"theirs/file")
    put(writer, b"theirs/new/file")
    put(writer, b"ours")
    found = problems(writer)
    assert found.keys() == {b"theirs/file", b"theirs/new/file"}
    assert all("permission denied" in problem for problem in found.values())
    (settled,) = writer.settle([a_folder(b"theirs")])
    (removed,) = writer.remove([a_file(b"theirs/file", b"")])
    assert "permission denied" in (settled.problem or "")
    assert "permission denied" in (removed.problem or "")
    assert content_of(root + b"/theirs/file") == b"theirs"


def test_a_read_only_server_takes_nothing(root: bytes) -> None:
    with piped_endpoint("-R") as endpoint:
        target = endpoint.target(root, KEY)
        writer = target.writer(KEEP)
        put(writer, b"file")
        assert "permission denied" in problems(writer)[b"file"]
        missing = endpoint.target(root + b"/missing", KEY)
        with pytest.raises(EndpointUnavailable, match="permission denied"):
            missing.make_root()
    assert os.listdir(root) == []


def test_a_root_that_is_not_there_is_not_made_by_the_way(root: bytes) -> None:
    with piped_endpoint() as endpoint:
        writer = endpoint.target(root + b"/missing", KEY).writer(KEEP)
        put(writer, b"folder/file")
        assert problems(writer) == {b"folder/file": "the root is not there"}
        writer.close()
    assert os.listdir(root) == []


def test_a_server_killed_in_the_middle_leaves_temp_files_that_the_next_run_sweeps(root: bytes) -> None:
    connector = PipeConnector()
    endpoint = SftpEndpoint(pipe_spec(), connector)
    target = endpoint.target(root, KEY)
    writer = target.writer(KEEP)
    put(writer, b"landed")
    assert problems(writer) == {}
    put(writer, b"folder/lost", b"x" * 3_000_000)
    connector.channels[0].interrupt()
    with pytest.raises(EndpointUnavailable):
        writer.commit()
    writer.close()
    left = [name for _, _, names in os.walk(root) for name in names]
    assert b"landed" in left
    assert b"lost" not in left
    assert target.sweep() == len(left) - 1
    assert [name for _, _, names in os.walk(root) for name in names] == [b"landed"]
    endpoint.close()


def test_words_that_sftp_cannot_keep_are_refused(root: bytes) -> None:
    with piped_endpoint() as endpoint:
        target = endpoint.target(root, KEY)
        with pytest.raises(Refused, match="holes, xattrs"):
            target.writer(KEEP | {"xattrs", "holes"})


def test_owner_is_an_ability_of_root_alone(root: bytes) -> None:
    with piped_endpoint() as endpoint:
        target: SftpTarget = endpoint.target(root, KEY)
        assert ("owner" in target.abilities.keeps) is (os.geteuid() == 0)
        assert "owner" in endpoint.source(root).abilities.keeps


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_setid_bits_outlive_the_change_of_owner(root: bytes) -> None:
    with piped_endpoint() as endpoint:
        writer = endpoint.target(root, KEY).writer(KEEP | {"owner", "setid"})
        entry = a_file(b"program", b"#!", 0o6755)._replace(uid=12345, gid=54321)
        writer.begin(entry)
        writer.write(b"#!")
        writer.finish(entry)
        assert problems(writer) == {}
    found = os.stat(root + b"/program")
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12345, 54321, 0o6755)


class Full(Tampering):
    """A disk that is full from the first write on, or mounted read-only."""

    def __init__(self, *, is_read_only: bool) -> None:
        super().__init__()
        self._flags = 1 if is_read_only else 0

    def on_request(self, kind: int, request: int, body: bytes) -> tuple[int, bytes] | bytes:
        if kind == wire.WRITE:
            return status(request, wire.FAILURE)
        if kind == wire.EXTENDED and wire.take_string(body, 0)[0] == wire.STATVFS:
            free = 10**6 if self._flags else 0
            return packet(
                wire.EXTENDED_REPLY,
                request,
                struct.pack(">11Q", 4096, 4096, 10**6, 9, free, 9, 9, 9, 0, self._flags, 255),
            )
        return kind, body


@pytest.mark.parametrize(
    ("is_read_only", "error", "reason"), [(True, EndpointUnavailable, "read-only"), (False, Incomplete, "is full")]
)
def test_a_target_of_no_more_use_stops_with_its_reason(
    root: bytes, is_read_only: bool, error: type[MigratorError], reason: str
) -> None:
    with relayed_endpoint(Full(is_read_only=is_read_only)) as endpoint:
        writer = endpoint.target(root, KEY).writer(KEEP)
        put(writer, b"file")
        with pytest.raises(error, match=reason) as caught:
            writer.commit()
        assert caught.value.hint
        writer.close()
        writer.close()
    assert os.listdir(root) == []


def test_a_server_that_makes_no_links_is_told_of_each(root: bytes) -> None:
    with relayed_endpoint(Refusing(wire.SYMLINK, code=wire.OP_UNSUPPORTED)) as endpoint:
        writer = endpoint.target(root, KEY).writer(KEEP)
        writer.link(a_link(b"one", b"text"))
        writer.link(a_link(b"two", b"text"))
        put(writer, b"file")
        assert problems(writer) == {b"one": "the server makes no links", b"two": "the server makes no links"}
        writer.close()
    assert os.listdir(root) == [b"file"]
