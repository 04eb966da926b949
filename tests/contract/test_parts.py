"""What every tree promises of files read, written and hashed in parts: one suite for all implementations."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from migrator.domain.entries import Entry, Kind
from migrator.endpoints.agent import program, session
from migrator.endpoints.agent.session import agent_text
from migrator.endpoints.contract import (
    HASH_BLOCK,
    Checked,
    Endpoint,
    Extent,
    LargeWriter,
    Problem,
    RangeReader,
    SourceTree,
    Span,
    TargetTree,
)
from migrator.endpoints.temp_names import new_temp_name
from migrator.errors import SafetyStop
from tests.support.lanes import LANES, opened
from tests.support.trees import MTIME_NS, write_file

KEY = b"k" * 32
KEEP = frozenset({"mode", "times"})
SIZE = 9 * HASH_BLOCK + 12345


@pytest.fixture(scope="module", params=LANES)
def endpoint(request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    with opened(request.param) as endpoint:
        yield endpoint


@pytest.fixture
def source(endpoint: Endpoint, tmp_path: Path) -> Iterator[SourceTree]:
    (tmp_path / "source").mkdir()
    tree = endpoint.source(bytes(tmp_path / "source"))
    yield tree
    tree.close()


@pytest.fixture
def target(endpoint: Endpoint, tmp_path: Path) -> Iterator[TargetTree]:
    tree = endpoint.target(bytes(tmp_path / "target"), KEY)
    tree.make_root()
    yield tree
    tree.close()


@pytest.fixture
def content() -> bytes:
    return random.Random(1).randbytes(SIZE)


def large(path: bytes = b"large", size: int = SIZE) -> Entry:
    return Entry(path, Kind.FILE, size, MTIME_NS, 0o640, os.getuid(), os.getgid())


def blocks_of(content: bytes) -> list[bytes]:
    return [hashlib.sha256(content[at : at + HASH_BLOCK]).digest() for at in range(0, len(content), HASH_BLOCK)]


def opened_for_reading(tree: SourceTree, path: bytes) -> RangeReader:
    entry = tree.stat(path)
    assert entry is not None
    reader = tree.ranges(entry)
    assert not isinstance(reader, Checked), reader
    return reader


def rewrite(path: Path) -> None:
    """Other content of the same size; the time says so even to those who see whole seconds."""
    path.write_bytes(bytes(path.stat().st_size))
    os.utime(path, (1, 1))


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


class TestReading:
    def test_each_chunk_comes_in_order_and_is_looked_at(
        self, source: SourceTree, tmp_path: Path, content: bytes
    ) -> None:
        write_file(bytes(tmp_path / "source" / "large"), content)
        reader = opened_for_reading(source, b"large")
        chunks = [[Extent(0, 3_000_000)], [Extent(5_000_000, 7), Extent(6_000_000, SIZE - 6_000_000)]]
        got = bytearray(SIZE)
        looks = 0
        for each in reader.read(chunks):
            if isinstance(each, Span):
                got[each.offset : each.offset + len(each.data)] = each.data
            else:
                looks += 1
                assert each.problem is None
                assert each.found is not None
                assert each.found.size == SIZE
        reader.close()
        assert looks == 2
        for chunk in chunks:
            for extent in chunk:
                assert got[extent.offset : extent.end] == content[extent.offset : extent.end]
        assert not any(got[3_000_000:5_000_000])

    def test_all_of_a_plain_file_is_data(self, source: SourceTree, tmp_path: Path, content: bytes) -> None:
        write_file(bytes(tmp_path / "source" / "large"), content)
        assert list(opened_for_reading(source, b"large").extents()) == [Extent(0, SIZE)]

    def test_holes_are_told_where_the_lane_can(self, source: SourceTree, tmp_path: Path) -> None:
        path = tmp_path / "source" / "sparse"
        with path.open("wb") as file:
            file.truncate(64 << 20)
            file.seek(32 << 20)
            file.write(b"x" * 8192)
        extents = list(opened_for_reading(source, b"sparse").extents())
        if source.abilities.lane == "sftp":
            assert extents == [Extent(0, 64 << 20)]
        else:
            (extent,) = extents
            assert extent.offset <= 32 << 20 < extent.end
            assert extent.length < 1 << 20

    def test_digests_are_those_of_the_blocks(self, source: SourceTree, tmp_path: Path, content: bytes) -> None:
        write_file(bytes(tmp_path / "source" / "large"), content)
        reader = opened_for_reading(source, b"large")
        first, last = reader.ask_digests(Extent(0, 8 << 20)), reader.ask_digests(Extent(8 << 20, SIZE - (8 << 20)))
        assert [*first(), *last()] == blocks_of(content)

    @pytest.mark.parametrize("change", ["append", "replace", "remove", "shrink"])
    def test_a_change_is_told_with_the_chunk_it_came_in(
        self, source: SourceTree, tmp_path: Path, content: bytes, change: str
    ) -> None:
        path = tmp_path / "source" / "large"
        write_file(bytes(path), content)
        reader = opened_for_reading(source, b"large")
        assert reader.check().problem is None
        if change == "append":
            with path.open("ab") as file:
                file.write(b"more")
        elif change == "replace":
            write_file(bytes(path.with_name("new")), content, mtime_ns=MTIME_NS + 5 * 10**9)
            path.with_name("new").rename(path)
        elif change == "shrink":
            os.truncate(path, 100)
        else:
            path.unlink()
        *_, last = reader.read([[Extent(0, SIZE)]])
        assert isinstance(last, Checked)
        assert last.problem is Problem.CHANGED
        assert reader.check().problem is Problem.CHANGED

    def test_what_cannot_be_opened_is_told(self, source: SourceTree, tmp_path: Path) -> None:
        (tmp_path / "source" / "folder").mkdir()
        (tmp_path / "source" / "link").symlink_to("/etc/passwd")
        gone = source.ranges(large(b"gone"))
        assert isinstance(gone, Checked)
        assert gone.problem is Problem.VANISHED
        for name in (b"folder", *((b"link",) if source.abilities.lane != "sftp" else ())):
            other = source.ranges(large(name))
            assert isinstance(other, Checked)
            assert other.problem in {Problem.CHANGED, Problem.FAILED}
        with pytest.raises(SafetyStop):
            source.ranges(large(b"../escape"))


class TestHashing:
    def test_digests_of_files_of_every_size(self, source: SourceTree, tmp_path: Path) -> None:
        sizes = (0, 1, 4096, 261_121, HASH_BLOCK - 1, HASH_BLOCK, HASH_BLOCK + 1, 3 * HASH_BLOCK + 5)
        contents = {b"%d" % size: random.Random(size).randbytes(size) for size in sizes}
        for name, content in contents.items():
            write_file(bytes(tmp_path / "source") + b"/" + name, content)
        wanted = [entry for block in source.scan() for entry in block if isinstance(entry, Entry) and entry.path]
        answers = list(source.digests(wanted, blocks=True))
        assert [each.entry for each in answers if each.is_last] == wanted
        for last in (each for each in answers if each.is_last):
            content = contents[last.entry.path]
            assert last.problem is None
            assert last.found is not None
            assert last.sha256 == hashlib.sha256(content).digest()
            of_file = [each for each in answers if each.entry.path == last.entry.path]
            assert [block for each in of_file for block in each.blocks] == blocks_of(content)
            assert sum(each.read_bytes for each in of_file) == len(content)

    def test_problems_are_told_as_by_reading(self, source: SourceTree, tmp_path: Path) -> None:
        write_file(bytes(tmp_path / "source" / "there"), b"content")
        (tmp_path / "source" / "folder").mkdir()
        there = source.stat(b"there")
        assert there is not None
        wanted = [large(b"gone"), there, large(b"folder"), replace_path(there, b"there")]
        gone, one, folder, other = (each for each in source.digests(wanted) if each.is_last)
        assert gone.problem is Problem.VANISHED
        assert folder.problem in {Problem.CHANGED, Problem.FAILED}
        assert one.sha256 == other.sha256 == hashlib.sha256(b"content").digest()
        assert one.blocks == ()

    @pytest.mark.usefixtures("tells_more_often")
    @pytest.mark.parametrize(
        "harm",
        [
            rewrite,
            lambda path: os.truncate(path, 30 << 20),
            Path.unlink,
            lambda path: path.with_name("other").replace(path),
        ],
        ids=["rewritten", "grown", "removed", "replaced"],
    )
    def test_a_file_that_moves_while_it_is_hashed_has_no_digest(
        self, source: SourceTree, tmp_path: Path, harm: Callable[[Path], object]
    ) -> None:
        path = tmp_path / "source" / "hot"
        path.write_bytes(random.Random(3).randbytes(20 << 20))
        path.with_name("other").write_bytes(path.read_bytes())
        os.utime(path.with_name("other"), (1, 1))
        entry = source.stat(b"hot")
        assert entry is not None
        answers = source.digests([entry])
        assert not next(answers).is_last
        harm(path)
        *_, last = answers
        assert (last.found, last.problem) == (None, Problem.CHANGED)

    @pytest.mark.usefixtures("tells_more_often")
    def test_a_long_hash_tells_of_its_progress(self, source: SourceTree, tmp_path: Path) -> None:
        size = 40 << 20
        with (tmp_path / "source" / "huge").open("wb") as file:
            file.truncate(size)
            file.seek(9 << 20)
            file.write(b"x")
        content = bytearray(size)
        content[9 << 20] = ord("x")
        entry = source.stat(b"huge")
        assert entry is not None
        answers = list(source.digests([entry], blocks=True))
        assert len(answers) > 10
        assert max(each.read_bytes for each in answers) < size / 10
        assert sum(each.read_bytes for each in answers) == size
        assert [block for each in answers for block in each.blocks] == blocks_of(bytes(content))
        assert answers[-1].sha256 == hashlib.sha256(content).digest()


@pytest.fixture
def tells_more_often(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the agents of one test, wherever they are, tell of progress after each block."""
    monkeypatch.setattr(program, "ANSWER_SECONDS", 0.0)
    text = agent_text().replace(b"\nANSWER_SECONDS = 0.5", b"\nANSWER_SECONDS = 0.0")
    assert text != agent_text()
    monkeypatch.setattr(session, "agent_text", lambda: text)
    endpoint.rest()  # the agent of an earlier test
    yield
    endpoint.rest()


def replace_path(entry: Entry, path: bytes) -> Entry:
    return entry._replace(path=path)


class TestWriting:
    def test_parts_in_any_order_become_one_file(self, target: TargetTree, tmp_path: Path, content: bytes) -> None:
        entry, temp = large(b"a/b/large"), new_temp_name(KEY)
        writer = target.large(entry, temp, KEEP, makes=True)
        assert writer.is_new
        middle = 4 << 20
        writer.write(middle, content[middle:])
        writer.sync()
        assert names_in(tmp_path / "target" / "a" / "b") == {temp.decode()}
        writer.close()
        second = target.large(entry, temp, KEEP, makes=False)
        assert not second.is_new
        second.write(0, content[:middle])
        second.sync()
        assert [*second.ask_digests(Extent(0, SIZE))()] == blocks_of(content)
        landed = second.finish(entry)
        second.close()
        assert landed.problem is None
        path = tmp_path / "target" / "a" / "b" / "large"
        assert path.read_bytes() == content
        assert path.stat().st_mode & 0o7777 == 0o640
        assert path.stat().st_mtime_ns // 10**9 == MTIME_NS // 10**9
        assert names_in(path.parent) == {"large"}

    def test_the_old_version_stands_until_the_new_one_is_complete(
        self, target: TargetTree, tmp_path: Path, content: bytes
    ) -> None:
        path = tmp_path / "target" / "large"
        write_file(bytes(path), content)
        changed = content[:HASH_BLOCK] + bytes(HASH_BLOCK) + content[2 * HASH_BLOCK :]
        writer = target.large(large(), new_temp_name(KEY), KEEP, makes=True)
        assert list(writer.ask_old_digests(Extent(0, 2 * HASH_BLOCK))()) == blocks_of(content)[:2]
        writer.copy_old(Extent(0, HASH_BLOCK))
        writer.write(HASH_BLOCK, bytes(HASH_BLOCK))
        writer.copy_old(Extent(2 * HASH_BLOCK, SIZE - 2 * HASH_BLOCK))
        writer.sync()
        assert path.read_bytes() == content
        assert writer.finish(large()).problem is None
        writer.close()
        assert path.read_bytes() == changed

    def test_nothing_old_has_no_digests(self, target: TargetTree) -> None:
        writer = target.large(large(), new_temp_name(KEY), KEEP, makes=True)
        assert list(writer.ask_old_digests(Extent(0, HASH_BLOCK))()) == []
        writer.discard()
        writer.close()

    def test_what_is_discarded_leaves_nothing(self, target: TargetTree, tmp_path: Path) -> None:
        writer = target.large(large(), new_temp_name(KEY), KEEP, makes=True)
        writer.write(0, b"x" * 100)
        writer.discard()
        writer.close()
        assert names_in(tmp_path / "target") == set()

    def test_a_sweep_spares_what_goes_on_growing(self, target: TargetTree, tmp_path: Path) -> None:
        kept, swept = new_temp_name(KEY), new_temp_name(KEY)
        for name in (kept, swept):
            writer = target.large(large(), name, KEEP, makes=True)
            writer.close()
        assert target.sweep({kept}) == 1
        assert names_in(tmp_path / "target") == {kept.decode()}
        assert target.sweep() == 1

    def test_a_missing_or_foreign_temp_file_is_no_place_to_write(self, target: TargetTree, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="gone"):
            target.large(large(), new_temp_name(KEY), KEEP, makes=False)
        trap = new_temp_name(KEY)
        (tmp_path / "victim").write_text("untouched")
        (tmp_path / "target" / trap.decode()).symlink_to(tmp_path / "victim")
        with pytest.raises(OSError, match=r"not ours|link|Too many"):
            target.large(large(), trap, KEEP, makes=True)
        assert (tmp_path / "victim").read_text() == "untouched"

    def test_no_link_above_it_is_followed(self, target: TargetTree, tmp_path: Path) -> None:
        (tmp_path / "outside").mkdir()
        (tmp_path / "target" / "way").symlink_to(tmp_path / "outside")
        with pytest.raises(OSError, match=r"link|Not a directory"):
            target.large(large(b"way/large"), new_temp_name(KEY), KEEP, makes=True)
        assert names_in(tmp_path / "outside") == set()

    def test_room_is_taken_at_once_and_holes_stay_holes(self, target: TargetTree, tmp_path: Path) -> None:
        if target.abilities.lane == "sftp":
            assert "holes" not in target.abilities.keeps, "it can only set the size, and must say so"
            return
        plain, sparse = new_temp_name(KEY), new_temp_name(KEY)
        writers: list[LargeWriter] = [
            target.large(large(), plain, KEEP, makes=True),
            target.large(replace_allocated(large(), 0), sparse, KEEP | {"holes"}, makes=True),
        ]
        blocks = [(tmp_path / "target" / name.decode()).stat().st_blocks * 512 for name in (plain, sparse)]
        assert blocks[0] >= SIZE
        assert blocks[1] < HASH_BLOCK
        for writer in writers:
            writer.discard()
            writer.close()


def replace_allocated(entry: Entry, allocated: int) -> Entry:
    return entry._replace(allocated=allocated)
