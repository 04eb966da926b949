"""What every tree promises, whichever way it is reached: one suite for all implementations of the contract."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from migrator.domain.attributes import packed
from migrator.domain.entries import Entry, Kind, Listed, Unchanged, Unreadable
from migrator.endpoints.contract import Endpoint, Fingerprints, Piece, Problem, SourceTree, TargetTree, Writer
from migrator.endpoints.temp_names import new_temp_name
from migrator.errors import EndpointUnavailable, Held, Incomplete, Refused, SafetyStop
from tests.support.lanes import LANES, opened
from tests.support.trees import (
    DEFAULT,
    LONG_NAME,
    MTIME_NS,
    SIZES,
    attributes_of,
    build_attributes,
    build_deep,
    build_nasty,
    build_specials,
    differences,
    remove_tree,
    set_folder_times,
    snapshot,
    write_file,
)

KEY = b"k" * 32
KEEP = frozenset({"mode", "times"})


@pytest.fixture(scope="module", params=LANES)
def endpoint(request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    """One endpoint a lane for the whole file: connecting anew for every test would cost most of the time."""
    with opened(request.param) as endpoint:
        yield endpoint


@pytest.fixture
def here(tmp_path: Path) -> bytes:
    return os.fsencode(tmp_path / "source")


@pytest.fixture
def there(tmp_path: Path) -> bytes:
    return os.fsencode(tmp_path / "target")


@pytest.fixture
def source(endpoint: Endpoint, here: bytes) -> Iterator[SourceTree]:
    os.mkdir(here)
    tree = endpoint.source(here)
    yield tree
    tree.close()


@pytest.fixture
def target(endpoint: Endpoint, there: bytes) -> Iterator[TargetTree]:
    tree = endpoint.target(there, KEY)
    tree.make_root()
    yield tree
    tree.close()


@pytest.fixture
def writer(target: TargetTree) -> Iterator[Writer]:
    writer = target.writer(KEEP)
    yield writer
    writer.close()


def entries_of(tree: SourceTree) -> list[Entry]:
    """Everything a scan of a readable tree finds."""
    found = [each for block in tree.scan() for each in block]
    unreadable = [each for each in found if isinstance(each, Unreadable)]
    assert unreadable == []
    return [each for each in found if isinstance(each, Entry)]


def files_of(tree: SourceTree) -> list[Entry]:
    return [entry for entry in entries_of(tree) if entry.kind is Kind.FILE]


def a_file(path: bytes, size: int = 0, mode: int = 0o644) -> Entry:
    return Entry(path, Kind.FILE, size, MTIME_NS, mode, os.getuid(), os.getgid())


def a_folder(path: bytes, mode: int = 0o755) -> Entry:
    return Entry(path, Kind.DIRECTORY, 0, MTIME_NS, mode, os.getuid(), os.getgid())


def a_link(path: bytes, text: bytes) -> Entry:
    return Entry(path, Kind.LINK, 0, MTIME_NS, 0o777, os.getuid(), os.getgid(), text)


def put(writer: Writer, path: bytes, content: bytes = b"new content", mode: int = 0o644) -> None:
    """Write one file up to its temp name."""
    entry = a_file(path, len(content), mode)
    writer.begin(entry)
    writer.write(content)
    writer.finish(entry)


def problems(writer: Writer) -> dict[bytes, str]:
    """Commit; what could not land, and why."""
    return {landed.path: landed.problem for landed in writer.commit() if landed.problem is not None}


def read_all(tree: SourceTree, wanted: Iterable[Entry]) -> dict[bytes, tuple[bytes, Piece]]:
    """Content and last piece of each wanted file, after checks of what the contract says about pieces."""
    answers: dict[bytes, tuple[bytes, Piece]] = {}
    content: list[bytes] = []
    wanted = list(wanted)
    for piece in tree.read(wanted):
        assert piece.entry == wanted[len(answers)], "in the order asked for, one file after the other"
        content.append(piece.data)
        if piece.is_last:
            data = b"".join(content)
            assert (piece.found is None) != (piece.problem is None)
            assert piece.found is None or piece.found.size == len(data)
            answers[piece.entry.path] = data, piece
            content = []
    assert len(answers) == len(wanted)
    return answers


def move(tree: SourceTree, writer: Writer) -> None:
    """Carry a whole tree; anything that goes wrong fails the test."""
    entries = entries_of(tree)
    is_new = True
    for piece in tree.read([entry for entry in entries if entry.kind is Kind.FILE]):
        if is_new:
            writer.begin(piece.entry)
        writer.write(piece.data)
        is_new = piece.is_last
        if is_new:
            assert piece.found is not None, piece
            writer.finish(piece.found)
    for entry in entries:
        if entry.kind is Kind.LINK:
            writer.link(entry)
    landed = writer.commit()
    folders = [entry for entry in entries if entry.kind is Kind.DIRECTORY]
    landed += writer.settle(folders[::-1])
    assert [each for each in landed if each.problem is not None] == []
    assert len(landed) == len([entry for entry in entries if entry.kind is not Kind.SPECIAL])


def names_in(folder: bytes) -> set[bytes]:
    return set(os.listdir(folder))


def is_exact(endpoint: Endpoint) -> bool:
    """Whether the lane carries times to the nanosecond."""
    return sees_by_descriptor(endpoint)


def sees_by_descriptor(endpoint: Endpoint) -> bool:
    """Whether system calls answer for the lane, and no server that takes whole paths."""
    return endpoint.source(b"/").abilities.lane != "sftp"


class TestScan:
    def test_it_tells_every_entry_as_it_is(self, endpoint: Endpoint, source: SourceTree, here: bytes) -> None:
        build_nasty(here)
        found = {entry.path: entry for entry in entries_of(source)}
        wanted = snapshot(here, nanoseconds=is_exact(endpoint))
        assert found.keys() == wanted.keys()
        kinds = {"file": Kind.FILE, "folder": Kind.DIRECTORY, "link": Kind.LINK}
        for path, entry in found.items():
            fact = wanted[path]
            assert entry.kind is kinds[fact.kind]
            assert entry.mtime_ns == (fact.mtime if is_exact(endpoint) else fact.mtime * 10**9)
            assert fact.mode in {None, entry.mode}
            assert entry.size == (os.path.getsize(here + b"/" + path) if entry.kind is Kind.FILE else 0)
            assert entry.link == (os.readlink(here + b"/" + path) if entry.kind is Kind.LINK else None)

    def test_the_root_comes_first_and_a_folder_before_what_is_in_it(self, source: SourceTree, here: bytes) -> None:
        build_nasty(here)
        seen: set[bytes] = set()
        for entry in entries_of(source):
            assert entry.path == b"" or entry.path.rpartition(b"/")[0] in seen
            assert entry.path not in seen
            seen.add(entry.path)

    def test_special_files_are_listed(self, source: SourceTree, here: bytes) -> None:
        build_specials(here)
        kinds = {entry.path: entry.kind for entry in entries_of(source)}
        assert kinds == {b"": Kind.DIRECTORY, b"fifo": Kind.SPECIAL, b"socket": Kind.SPECIAL}

    def test_a_large_folder_comes_in_blocks(self, source: SourceTree, here: bytes) -> None:
        for number in range(3000):
            os.close(os.open(here + b"/%d" % number, os.O_CREAT))
        sizes = [len(block) for block in source.scan()]
        assert sum(sizes) == 3001
        assert max(sizes) <= 2000

    def test_what_lies_very_deep_is_found_or_told(self, endpoint: Endpoint, source: SourceTree, here: bytes) -> None:
        build_deep(here)
        try:
            found = [each for block in source.scan() for each in block]
            if sees_by_descriptor(endpoint):
                assert len(found) == 1002
                (bottom,) = [each for each in found if isinstance(each, Entry) and each.kind is Kind.FILE]
                assert read_all(source, [bottom])[bottom.path][0] == b"deep down\n"
            else:  # a server that takes whole paths cannot go further than PATH_MAX: never silently
                assert any(isinstance(each, Unreadable) for each in found)
        finally:
            remove_tree(here)

    @pytest.mark.parametrize("kind", ["missing", "file", "dangling link"])
    def test_a_root_that_is_no_folder_is_unavailable(self, endpoint: Endpoint, here: bytes, kind: str) -> None:
        if kind == "file":
            write_file(here)
        if kind == "dangling link":
            os.symlink(b"nowhere", here)
        tree = endpoint.source(here)
        with pytest.raises(EndpointUnavailable):
            list(tree.scan())
        tree.close()

    def test_a_root_may_be_reached_through_links(self, endpoint: Endpoint, here: bytes, tmp_path: Path) -> None:
        write_file(os.fsencode(tmp_path) + b"/real/file")
        os.symlink(b"real", here)
        tree = endpoint.source(here)
        assert [(entry.path, entry.kind) for entry in entries_of(tree)] == [
            (b"", Kind.DIRECTORY),
            (b"file", Kind.FILE),
        ]
        tree.close()


class TestStat:
    def test_it_agrees_with_the_scan(self, source: SourceTree, here: bytes) -> None:
        build_nasty(here)
        build_specials(here)
        for entry in entries_of(source):
            assert source.stat(entry.path) == entry

    def test_what_is_not_there_is_none(self, source: SourceTree, here: bytes) -> None:
        write_file(here + b"/file")
        assert source.stat(b"other") is None
        assert source.stat(b"no/such/folder") is None
        assert source.stat(b"file/below") is None

    def test_a_missing_root_is_none(self, endpoint: Endpoint, here: bytes) -> None:
        tree = endpoint.source(here)
        assert tree.stat(b"") is None
        tree.close()


class TestRead:
    def test_contents_of_all_sizes_come_in_order(self, source: SourceTree, here: bytes) -> None:
        build_nasty(here)
        files = files_of(source)
        assert {entry.size for entry in files} >= set(SIZES)
        for path, (data, piece) in read_all(source, files).items():
            with open(here + b"/" + path, "rb") as file:
                assert data == file.read()
            assert piece.found == piece.entry

    def test_a_file_that_is_gone_has_vanished(self, source: SourceTree, here: bytes) -> None:
        for name in (b"a", b"b", b"c"):
            write_file(here + b"/" + name)
        files = sorted(files_of(source))
        os.unlink(here + b"/b")
        answers = read_all(source, files)
        assert [answers[name][1].problem for name in (b"a", b"b", b"c")] == [None, Problem.VANISHED, None]

    @pytest.mark.parametrize("text", [b"/etc/passwd", b"other", b"nowhere"])
    def test_a_file_that_became_a_link_is_never_followed(self, source: SourceTree, here: bytes, text: bytes) -> None:
        write_file(here + b"/file")
        write_file(here + b"/other", b"not to be read as `file`")
        (entry,) = [entry for entry in files_of(source) if entry.path == b"file"]
        os.unlink(here + b"/file")
        os.symlink(text, here + b"/file")
        _, last = read_all(source, [entry])[b"file"]
        assert last.problem is Problem.CHANGED or (text == b"nowhere" and last.problem is Problem.VANISHED)

    def test_a_file_that_became_a_folder_has_changed(self, source: SourceTree, here: bytes) -> None:
        write_file(here + b"/file")
        files = files_of(source)
        os.unlink(here + b"/file")
        os.mkdir(here + b"/file")
        _, last = read_all(source, files)[b"file"]
        assert last.problem is not None

    def test_a_file_that_changed_since_the_scan_is_read_as_it_is_now(self, source: SourceTree, here: bytes) -> None:
        write_file(here + b"/file", b"old")
        files = files_of(source)
        write_file(here + b"/file", b"new and longer", mode=0o600)
        data, last = read_all(source, files)[b"file"]
        assert data == b"new and longer"
        assert last.found is not None
        assert (last.found.size, last.found.mode) == (14, 0o600)

    def test_a_file_that_grows_under_the_reader_never_passes_as_whole(self, source: SourceTree, here: bytes) -> None:
        write_file(here + b"/log", b"x" * 9_000_000)
        delivered = 0
        last = None
        for piece in source.read(files_of(source)):
            if delivered == 0:
                with open(here + b"/log", "ab") as file:
                    file.write(b"one more line\n")
            delivered += len(piece.data)
            last = piece
        assert last is not None
        assert last.problem is Problem.CHANGED or (last.found is not None and last.found.size == delivered)

    def test_a_short_read_is_a_failure(self, endpoint: Endpoint) -> None:
        tree = endpoint.source(b"/sys/kernel")
        entry = tree.stat(b"uevent_seqnum")
        assert entry is not None
        data, last = read_all(tree, [entry])[b"uevent_seqnum"]
        assert last.problem is Problem.FAILED
        assert f"short read {len(data)} of 4096" in last.reason
        tree.close()


class TestRescan:
    def test_unchanged_folders_are_recognised_where_ctime_is_seen(self, source: SourceTree, here: bytes) -> None:
        for path in (b"/a/x", b"/a/b/y", b"/c/z"):
            write_file(here + path, b"12345")
        basis, deadline = b"b" * 32, time.monotonic() + 20
        listed: dict[bytes, bytes] = {}
        while len(listed) < 4 and source.abilities.sees_ctime:  # files that are too young have no fingerprint
            assert time.monotonic() < deadline
            blocks = source.rescan(Fingerprints(basis, []))
            listed = {each.path: each.fingerprint for block in blocks for each in block if isinstance(each, Listed)}
        write_file(here + b"/a/b/new")
        known = sorted(listed.values())
        found = [each for block in source.rescan(Fingerprints(basis, known)) for each in block]
        paths = sorted(each.path for each in found if isinstance(each, Entry))
        unchanged = sorted(each for each in found if isinstance(each, Unchanged))
        if source.abilities.sees_ctime:
            assert unchanged == [Unchanged(b"", 2, 0), Unchanged(b"c", 1, 5)]
            assert paths == [b"", b"a/b", b"a/b/new", b"a/b/y", b"a/x"]
        else:
            assert not unchanged
            assert paths == [b"", b"a", b"a/b", b"a/b/new", b"a/b/y", b"a/x", b"c", b"c/z"]
        others = [each for block in source.rescan(Fingerprints(b"o" * 32, known)) for each in block]
        assert not any(isinstance(each, Unchanged) for each in others)


class TestWriter:
    def test_a_tree_arrives_as_it_was(
        self, endpoint: Endpoint, source: SourceTree, writer: Writer, here: bytes, there: bytes
    ) -> None:
        build_nasty(here)
        move(source, writer)
        assert differences(here, there, nanoseconds=is_exact(endpoint)) == []

    def test_what_is_there_is_replaced(
        self, endpoint: Endpoint, source: SourceTree, writer: Writer, here: bytes, there: bytes
    ) -> None:
        build_nasty(here)
        move(source, writer)
        write_file(here + b"/names/-rf", b"another version", 0o600, MTIME_NS + 10**10)
        os.unlink(here + b"/links/dangling")
        os.symlink(b"elsewhere", here + b"/links/dangling")
        set_folder_times(here, MTIME_NS + 10**9)
        os.utime(here + b"/links/dangling", ns=(0, 0), follow_symlinks=False)
        move(source, writer)
        assert differences(here, there, nanoseconds=is_exact(endpoint)) == []

    def test_nothing_shows_under_its_name_before_the_commit(
        self, target: TargetTree, writer: Writer, there: bytes
    ) -> None:
        write_file(there + b"/file", b"old")
        put(writer, b"file", b"new")
        put(writer, b"folder/other")
        writer.link(a_link(b"link", b"file"))
        assert {entry.path for entry in entries_of(target)} == {b"", b"file", b"folder"}
        assert Path(os.fsdecode(there + b"/file")).read_bytes() == b"old"
        assert not os.path.lexists(there + b"/link")
        assert problems(writer) == {}
        assert {entry.path for entry in entries_of(target)} == {b"", b"file", b"folder", b"folder/other", b"link"}
        assert Path(os.fsdecode(there + b"/file")).read_bytes() == b"new"
        assert names_in(there) == {b"file", b"folder", b"link"}

    def test_landed_names_each_item_once_in_order(self, writer: Writer) -> None:
        put(writer, b"b")
        writer.link(a_link(b"a", b"b"))
        put(writer, b"c/d")
        assert [landed.path for landed in writer.commit()] == [b"b", b"a", b"c/d"]
        assert writer.commit() == []

    def test_what_is_abandoned_or_never_committed_leaves_nothing(self, writer: Writer, there: bytes) -> None:
        writer.begin(a_file(b"file", 4))
        writer.write(b"half")
        writer.abandon()
        assert writer.commit() == []
        put(writer, b"finished")
        writer.link(a_link(b"link", b"text"))
        writer.begin(a_file(b"open", 4))
        writer.write(b"half")
        writer.close()
        writer.close()
        assert names_in(there) == set()

    def test_links_and_files_replace_each_other_and_nothing_is_followed(
        self, writer: Writer, there: bytes, tmp_path: Path
    ) -> None:
        outside = tmp_path / "outside"
        outside.write_text("untouched")
        os.symlink(os.fsencode(outside), there + b"/was-link")
        write_file(there + b"/was-file")
        put(writer, b"was-link", b"a file now")
        writer.link(a_link(b"was-file", b"text"))
        assert problems(writer) == {}
        assert outside.read_text() == "untouched"
        assert Path(os.fsdecode(there + b"/was-link")).read_bytes() == b"a file now"
        assert os.readlink(there + b"/was-file") == b"text"

    def test_a_folder_in_the_way_is_that_item_s_problem_alone(self, writer: Writer, there: bytes) -> None:
        write_file(there + b"/folder/inside")
        os.mkdir(there + b"/empty")
        put(writer, b"folder")
        writer.link(a_link(b"empty", b"text"))
        put(writer, b"other")
        assert problems(writer).keys() == {b"folder", b"empty"}
        assert names_in(there) == {b"folder", b"empty", b"other"}
        assert names_in(there + b"/folder") == {b"inside"}

    def test_a_file_where_a_folder_is_needed_is_a_problem(self, writer: Writer, there: bytes) -> None:
        write_file(there + b"/file", b"not a folder")
        put(writer, b"file/below")
        put(writer, b"other")
        (landed,) = writer.settle([a_folder(b"file")])
        assert landed.problem is not None
        assert problems(writer).keys() == {b"file/below"}
        assert Path(os.fsdecode(there + b"/file")).read_bytes() == b"not a folder"

    @pytest.mark.parametrize("text", [b"../outside", b"real", b"/tmp"])
    def test_a_link_in_the_path_is_a_problem_wherever_it_leads(
        self, writer: Writer, there: bytes, tmp_path: Path, text: bytes
    ) -> None:
        (tmp_path / "outside").mkdir()
        os.mkdir(there + b"/real")
        os.symlink(text, there + b"/link")
        put(writer, b"link/file")
        put(writer, b"link/deeper/file")
        writer.link(a_link(b"link/link", b"text"))
        settled = writer.settle([a_folder(b"link"), a_folder(b"link/made")])
        removed = writer.remove([a_file(b"link/file")])
        assert all(landed.problem is not None for landed in settled)
        assert all(landed.problem is not None or text != b"real" for landed in removed)
        assert problems(writer).keys() == {b"link/file", b"link/deeper/file", b"link/link"}
        assert os.listdir(tmp_path / "outside") == []
        assert names_in(there + b"/real") == set()

    def test_a_parent_swapped_for_a_link_between_two_writes_leads_nowhere(
        self, endpoint: Endpoint, writer: Writer, there: bytes, tmp_path: Path
    ) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        put(writer, b"folder/first")
        assert problems(writer) == {}
        put(writer, b"folder/second")
        os.rename(there + b"/folder", os.fsencode(tmp_path / "moved away"))
        os.symlink(os.fsencode(outside), there + b"/folder")
        if sees_by_descriptor(endpoint):  # a server that takes whole paths leaves a moment between its look and its act
            assert problems(writer).keys() == {b"folder/second"}
            assert os.listdir(tmp_path / "moved away") == ["first"]
            put(writer, b"folder/third")
            assert problems(writer).keys() == {b"folder/third"}
            assert os.listdir(outside) == []

    @pytest.mark.parametrize(
        "path", [b"../outside", b"/etc/outside", b"a/../../outside", b"a//b", b"./a", b"", b"a\0b"]
    )
    def test_paths_that_are_none_are_refused(self, writer: Writer, there: bytes, path: bytes) -> None:
        with pytest.raises(SafetyStop):
            writer.begin(a_file(path))
        with pytest.raises(SafetyStop):
            writer.link(a_link(path, b"text"))
        with pytest.raises(SafetyStop):
            writer.remove([a_file(path)])
        if path:
            with pytest.raises(SafetyStop):
                writer.settle([a_folder(path)])
        assert names_in(there) == set()

    def test_a_name_too_long_is_that_item_s_problem_alone(self, writer: Writer, there: bytes) -> None:
        put(writer, LONG_NAME + b"n")
        put(writer, LONG_NAME)
        assert problems(writer).keys() == {LONG_NAME + b"n"}
        assert names_in(there) == {LONG_NAME}

    def test_missing_parents_are_made_for_nobody_else(self, writer: Writer, there: bytes) -> None:
        put(writer, b"a/b/c/file")
        assert problems(writer) == {}
        assert {stat.S_IMODE(os.stat(there + path).st_mode) for path in (b"/a", b"/a/b", b"/a/b/c")} == {0o700}

    def test_settle_gives_folders_their_facts_and_makes_missing_ones(self, writer: Writer, there: bytes) -> None:
        put(writer, b"a/file")
        assert problems(writer) == {}
        folders = [a_folder(b"a", 0o500), a_folder(b"empty/inner", 0o711), a_folder(b"empty"), a_folder(b"", 0o751)]
        assert [landed.problem for landed in writer.settle(folders)] == [None] * 4
        for folder in folders:
            found = os.stat(there + b"/" + folder.path)
            assert stat.S_IMODE(found.st_mode) == folder.mode
            assert found.st_mtime_ns // 10**9 == MTIME_NS // 10**9

    def test_setid_falls_unless_it_is_kept(self, target: TargetTree, there: bytes) -> None:
        for keep, mode in ((KEEP, 0o755), (KEEP | {"setid"}, 0o6755)):
            writer = target.writer(keep)
            put(writer, b"program", mode=0o6755)
            assert problems(writer) == {}
            assert writer.settle([a_folder(b"folder", 0o6755)])[0].problem is None
            writer.close()
            assert stat.S_IMODE(os.stat(there + b"/program").st_mode) == mode
            assert stat.S_IMODE(os.stat(there + b"/folder").st_mode) == mode

    def test_only_what_is_kept_is_set(self, target: TargetTree, there: bytes) -> None:
        writer = target.writer(frozenset())
        put(writer, b"file", mode=0o777)
        assert problems(writer) == {}
        writer.close()
        found = os.stat(there + b"/file")
        assert stat.S_IMODE(found.st_mode) == 0o600
        assert found.st_mtime_ns // 10**9 != MTIME_NS // 10**9

    @pytest.mark.root
    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
    def test_owners_are_kept_where_asked(self, target: TargetTree, there: bytes) -> None:
        writer = target.writer(KEEP | {"owner"})
        entry = a_file(b"file", 1)._replace(uid=12345, gid=54321)
        writer.begin(entry)
        writer.write(b"x")
        writer.finish(entry)
        assert problems(writer) == {}
        assert writer.settle([a_folder(b"folder")._replace(uid=12345, gid=54321)])[0].problem is None
        writer.close()
        for path in (b"/file", b"/folder"):
            assert (os.stat(there + path).st_uid, os.stat(there + path).st_gid) == (12345, 54321)

    def test_a_word_that_the_lane_cannot_keep_is_not_among_its_abilities(self, target: TargetTree) -> None:
        seen_by_an_agent = {"hardlinks", "xattrs", "acls"}
        keeps = target.abilities.keeps
        assert keeps & seen_by_an_agent == (set() if target.abilities.lane == "sftp" else seen_by_an_agent)
        assert keeps >= KEEP

    def test_many_folders_and_files_in_one_group(self, writer: Writer, there: bytes) -> None:
        for number in range(300):
            put(writer, b"%03d/file" % number, b"%d" % number)
        assert problems(writer) == {}
        assert len(names_in(there)) == 300
        assert all(names_in(there + b"/" + name) == {b"file"} for name in names_in(there))

    @pytest.mark.root
    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
    def test_a_full_disk_stops_with_its_reason(self, endpoint: Endpoint, there: bytes) -> None:
        os.mkdir(there)
        subprocess.run([b"mount", b"-t", b"tmpfs", b"-o", b"size=1m", b"none", there], check=True)
        try:
            tree = endpoint.target(there, KEY)
            writer = tree.writer(KEEP)
            put(writer, b"fits")
            assert problems(writer) == {}

            def overfill() -> None:
                put(writer, b"too large", b"x" * 5_000_000)
                writer.commit()

            with pytest.raises(Incomplete, match="full") as caught:
                overfill()
            assert caught.value.hint
            writer.close()
            tree.close()
            assert names_in(there) == {b"fits"}
        finally:
            subprocess.run([b"umount", b"--lazy", there], check=True)


EVERYTHING = KEEP | {"hardlinks", "xattrs", "acls"}


@pytest.fixture
def keeper(target: TargetTree) -> Iterator[Writer | None]:
    """A writer that keeps what only an agent sees; None where the lane says that it cannot, and refuses to."""
    if target.abilities.lane == "sftp":
        with pytest.raises(Refused, match=r"cannot keep acls, hardlinks, xattrs"):
            target.writer(EVERYTHING)
        yield None
        return
    writer = target.writer(EVERYTHING)
    yield writer
    writer.close()


class TestAttributes:
    def test_all_of_it_arrives_or_is_said_to_be_lost(
        self, source: SourceTree, keeper: Writer | None, here: bytes, there: bytes
    ) -> None:
        build_attributes(here)
        entries = entries_of(source)
        if keeper is None:
            assert not source.abilities.keeps & {"hardlinks", "xattrs", "acls"}
            assert {(entry.xattrs, entry.links, entry.inode) for entry in entries} == {(None, None, None)}
            return
        standing: dict[tuple[int | None, int | None], bytes] = {}
        followers: list[tuple[Entry, bytes]] = []
        for entry in [entry for entry in entries if entry.kind is Kind.FILE]:
            first = standing.setdefault((entry.device, entry.inode), entry.path)
            if first != entry.path:
                followers.append((entry, first))
                continue
            [(content, last)] = read_all(source, [entry]).values()
            assert last.found == entry
            keeper.begin(entry)
            keeper.write(content)
            keeper.finish(entry)
        assert problems(keeper) == {}
        assert len(followers) == 3
        for _ in range(2):  # the second time they stand already
            for entry, first in followers:
                keeper.hard_link(entry, first)
            assert problems(keeper) == {}
        folders = [entry for entry in entries if entry.kind is Kind.DIRECTORY]
        assert [landed.problem for landed in keeper.settle(folders[::-1])] == [None] * len(folders)
        assert differences(here, there, everything=True) == []

    def test_what_the_source_has_not_goes(self, source: SourceTree, keeper: Writer | None, there: bytes) -> None:
        if keeper is None:
            return
        os.setxattr(there, "system.posix_acl_default", DEFAULT)
        os.setxattr(there, "user.own", b"1")
        put_entry = a_file(b"file", 1, 0o640)._replace(xattrs=b"")
        keeper.begin(put_entry)
        keeper.write(b"x")
        keeper.finish(put_entry)
        assert problems(keeper) == {}
        assert attributes_of(there + b"/file") == ()
        assert stat.S_IMODE(os.stat(there + b"/file").st_mode) == 0o640
        assert keeper.settle([a_folder(b"", 0o750)._replace(xattrs=b"")])[0].problem is None
        assert attributes_of(there) == ()

    def test_what_is_not_asked_for_is_left_alone(self, target: TargetTree, there: bytes) -> None:
        os.setxattr(there, "user.own", b"1")
        writer = target.writer(KEEP)
        assert writer.settle([a_folder(b"")._replace(xattrs=b"")])[0].problem is None
        writer.close()
        assert attributes_of(there) == (("user.own", b"1"),)

    def test_attributes_that_nobody_could_read_fail_the_item(self, keeper: Writer | None, there: bytes) -> None:
        if keeper is None:
            return
        put(keeper, b"file")
        assert "cannot be read" in problems(keeper)[b"file"]
        assert "cannot be read" in (keeper.settle([a_folder(b"folder")])[0].problem or "")
        assert names_in(there) == {b"folder"}

    def test_an_attribute_that_the_file_system_does_not_take_fails_the_item(
        self, keeper: Writer | None, there: bytes
    ) -> None:
        if keeper is None:
            return
        entry = a_file(b"file")._replace(xattrs=packed({b"user." + b"n" * 300: b""}))
        keeper.begin(entry)
        keeper.finish(entry)
        assert problems(keeper)[b"file"].startswith("its attribute user.nnn")
        assert names_in(there) == set()

    @pytest.mark.root
    @pytest.mark.skipif(os.geteuid() != 0, reason="only root has attributes of links, and of the system's")
    def test_attributes_that_only_root_may_set(
        self, source: SourceTree, target: TargetTree, here: bytes, there: bytes
    ) -> None:
        if target.abilities.lane == "sftp":
            return
        capability = struct.pack("<5I", 0x02000000, 1 << 10, 0, 0, 0)  # may bind low ports
        for name in (b"/one", b"/two"):
            write_file(here + name, mode=0o755)
            os.setxattr(here + name, "security.capability", capability)
            os.setxattr(here + name, "trusted.a", b"1")
        os.symlink(b"one", here + b"/link")
        os.setxattr(here + b"/link", "trusted.of a link", b"2", follow_symlinks=False)
        for words, wanted in (
            ({"xattrs", "setid"}, {"security.capability", "trusted.a"}),
            ({"xattrs"}, {"trusted.a"}),
            ({"setid"}, {"security.capability"}),
        ):
            writer = target.writer(KEEP | {"owner"} | words)
            move(source, writer)
            writer.close()
            assert {name for name, _ in attributes_of(there + b"/one")} == wanted
            assert [name for name, _ in attributes_of(there + b"/link")] == ["trusted.of a link"] * ("xattrs" in words)

    @pytest.mark.root
    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
    def test_a_file_system_without_attributes_is_told_in_advance(
        self, endpoint: Endpoint, source: SourceTree, here: bytes, there: bytes
    ) -> None:
        build_attributes(here)
        os.mkdir(there)
        subprocess.run([b"mount", b"-t", b"ramfs", b"none", there], check=True)
        try:
            for root in (there, there + b"/not made yet"):
                tree = endpoint.target(root, KEY)
                assert not tree.abilities.keeps & {"xattrs", "acls"}
                tree.make_root()
                with pytest.raises(Refused, match="cannot keep"):
                    tree.writer(KEEP | {"xattrs"})
                writer = tree.writer(KEEP)
                move(source, writer)
                writer.close()
                tree.close()
        finally:
            subprocess.run([b"umount", b"--lazy", there], check=True)

    def test_a_name_is_linked_to_nothing_but_the_copy(self, keeper: Writer | None, here: bytes, there: bytes) -> None:
        if keeper is None:
            return
        write_file(here + b"outside", b"12345")
        os.symlink(here + b"outside", there + b"/link")
        os.mkdir(there + b"/folder")
        os.symlink(os.path.dirname(here), there + b"/way out")
        write_file(there + b"/other size", b"1234")
        write_file(there + b"/file", b"12345")
        for first in (b"link", b"folder", b"missing", b"way out/sourceoutside", b"other size"):
            keeper.hard_link(a_file(b"to " + first.replace(b"/", b" "), 5), first)
        keeper.hard_link(a_file(b"folder", 5), b"file")
        assert len(problems(keeper)) == 6
        assert names_in(there) == {b"link", b"folder", b"way out", b"other size", b"file"}
        assert os.stat(here + b"outside").st_nlink == 1
        keeper.hard_link(a_file(b"link", 5), b"file")
        keeper.hard_link(a_file(b"new/folder/again", 5), b"file")
        assert problems(keeper) == {}
        assert os.path.samefile(there + b"/link", there + b"/file")
        assert os.path.samefile(there + b"/new/folder/again", there + b"/file")


class TestRemove:
    def test_files_links_and_empty_folders_go(self, writer: Writer, there: bytes, tmp_path: Path) -> None:
        write_file(there + b"/folder/inner/file")
        os.symlink(os.fsencode(tmp_path), there + b"/folder/link")
        entries = [
            a_file(b"folder/inner/file"),
            a_folder(b"folder/inner"),
            a_link(b"folder/link", os.fsencode(tmp_path)),
            a_folder(b"folder"),
        ]
        assert [landed.problem for landed in writer.remove(entries)] == [None] * 4
        assert names_in(there) == set()
        assert [landed.problem for landed in writer.remove(entries)] == [None] * 4, "gone counts as removed"

    def test_what_is_not_ours_stays(self, writer: Writer, there: bytes) -> None:
        write_file(there + b"/full/foreign")
        write_file(there + b"/was-link")
        os.symlink(b"text", there + b"/was-file")
        os.mkdir(there + b"/was-file-too")
        os.mkfifo(there + b"/fifo")
        entries = [
            a_folder(b"full"),
            a_link(b"was-link", b"text"),
            a_file(b"was-file"),
            a_file(b"was-file-too"),
            a_file(b"fifo"),
        ]
        before = names_in(there)
        landed = writer.remove(entries)
        assert all(each.problem for each in landed)
        assert "not ours" in (landed[0].problem or "")
        assert names_in(there) == before
        assert names_in(there + b"/full") == {b"foreign"}

    def test_a_folder_that_was_removed_can_be_written_to_again(self, writer: Writer, there: bytes) -> None:
        put(writer, b"folder/file")
        assert problems(writer) == {}
        assert [each.problem for each in writer.remove([a_file(b"folder/file"), a_folder(b"folder")])] == [None, None]
        put(writer, b"folder/file", b"again")
        assert problems(writer) == {}
        assert Path(os.fsdecode(there + b"/folder/file")).read_bytes() == b"again"


class TestTarget:
    def test_the_root_is_made_below_a_parent_that_exists(self, endpoint: Endpoint, there: bytes) -> None:
        tree = endpoint.target(there, KEY)
        tree.make_root()
        tree.make_root()
        assert stat.S_IMODE(os.stat(there).st_mode) == 0o700
        tree.close()

    @pytest.mark.parametrize("obstacle", ["no parent", "a file"])
    def test_a_root_that_cannot_be_made_is_unavailable(self, endpoint: Endpoint, there: bytes, obstacle: str) -> None:
        if obstacle == "a file":
            write_file(there)
        tree = endpoint.target(there if obstacle == "a file" else there + b"/a/b", KEY)
        with pytest.raises(EndpointUnavailable):
            tree.make_root()
        tree.close()

    def test_one_run_holds_it(self, endpoint: Endpoint, target: TargetTree, there: bytes) -> None:
        other = endpoint.target(there, KEY)
        with target.hold("a" * 32):
            with pytest.raises(Held) as caught, other.hold("b" * 32):
                pass
            assert caught.value.hint
            assert names_in(there) == set(), "nothing of ours lies below the root"
        with other.hold("b" * 32):
            pass
        other.close()
        assert names_in(os.path.dirname(there)) == {b"target"}

    def test_sweep_removes_our_temp_files_and_no_others(self, target: TargetTree, there: bytes) -> None:
        ours = [there + b"/" + new_temp_name(KEY), there + b"/deep/er/" + new_temp_name(KEY)]
        theirs = [there + b"/" + new_temp_name(b"o" * 32), there + b"/deep/.migrator-", there + b"/file"]
        for path in ours + theirs:
            write_file(path)
        link = there + b"/deep/" + new_temp_name(KEY)
        os.symlink(b"text", link)
        assert target.stat(ours[0].rpartition(b"/")[2]) is None
        assert target.sweep() == 3
        assert not any(os.path.lexists(path) for path in [*ours, link])
        assert all(os.path.lexists(path) for path in theirs)
        assert target.sweep() == 0

    def test_space_is_told(self, target: TargetTree, there: bytes) -> None:
        space = target.space()
        assert space is not None
        found = os.statvfs(there)
        assert space.free_bytes == pytest.approx(found.f_bavail * found.f_frsize, rel=0.1)

    def test_one_file_system_has_one_number(self, endpoint: Endpoint, target: TargetTree, there: bytes) -> None:
        other = endpoint.target(there + b" too", KEY)
        spaces = [target.space(), other.space()]
        other.close()
        assert all(spaces), spaces
        assert len({space.file_system for space in spaces if space is not None}) == 1

    def test_whether_it_could_be_written_is_told_or_left_open_and_nothing_is_tried(
        self, target: TargetTree, there: bytes
    ) -> None:
        before = os.stat(there)
        assert target.may_write() is not False
        assert os.stat(there).st_ctime_ns == before.st_ctime_ns
        os.chmod(there, 0o777)
        assert target.may_write() is True
        os.chmod(there, 0o555)
        assert target.may_write() is (os.geteuid() == 0)

    def test_space_is_told_for_a_root_that_is_still_to_be_made(self, endpoint: Endpoint, there: bytes) -> None:
        tree = endpoint.target(there, KEY)
        space = tree.space()
        assert space is None or space.free_bytes > 0
        tree.close()

    def test_reading_again_sees_what_lies_on_the_disk(self, target: TargetTree, writer: Writer, there: bytes) -> None:
        put(writer, b"file", b"good content")
        assert problems(writer) == {}
        with open(there + b"/file", "r+b") as file:
            file.write(b"bad")
        data, last = read_all(target, [a_file(b"file", 12)])[b"file"]
        assert data == b"bad" + b"d content"
        assert last.problem is None


class TestEndpoint:
    def test_links_are_read_made_moved_and_removed(self, endpoint: Endpoint, tmp_path: Path) -> None:
        link = os.fsencode(tmp_path) + b"/current"
        assert endpoint.read_link(link) is None
        endpoint.point_link(link, b"/srv/\xff first")
        assert endpoint.read_link(link) == b"/srv/\xff first" == os.readlink(link)
        endpoint.point_link(link, b"second")
        assert os.readlink(link) == b"second"
        assert os.listdir(tmp_path) == ["current"]
        endpoint.remove_link(link)
        endpoint.remove_link(link)
        assert os.listdir(tmp_path) == []

    def test_a_link_that_leads_to_a_folder_is_replaced_itself(self, endpoint: Endpoint, tmp_path: Path) -> None:
        (tmp_path / "old").mkdir()
        (tmp_path / "current").symlink_to("old")
        endpoint.point_link(os.fsencode(tmp_path / "current"), b"new")
        assert os.readlink(tmp_path / "current") == "new"
        assert os.listdir(tmp_path / "old") == []

    @pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
    def test_what_is_no_link_stays(self, endpoint: Endpoint, tmp_path: Path, make: Callable[[Path], None]) -> None:
        make(tmp_path / "current")
        path = os.fsencode(tmp_path / "current")
        before = os.lstat(path)
        for act in (endpoint.read_link, endpoint.remove_link, lambda path: endpoint.point_link(path, b"new")):
            with pytest.raises(Refused):
                act(path)
        assert os.path.samestat(os.lstat(path), before)

    def test_a_link_without_a_folder_is_unavailable(self, endpoint: Endpoint, tmp_path: Path) -> None:
        with pytest.raises(EndpointUnavailable):
            endpoint.point_link(os.fsencode(tmp_path) + b"/no/folder", b"text")
