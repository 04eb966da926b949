"""Files that go in chunks: carried by several movers, resumed, compared block by block, and with their holes."""

from __future__ import annotations

import functools
import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from migrator.domain.entries import Class
from migrator.domain.events import BytesMoved, Event
from migrator.endpoints.contract import HASH_BLOCK, Extent
from migrator.errors import Interrupted
from migrator.transfer.chunks import CHUNK_BYTES, ChunkHasher, chunk_extent, digest_of_blocks, with_data
from migrator.transfer.course import Course
from migrator.transfer.passing import copy_pass
from tests.support.crossings import Ferry, ferry
from tests.support.moves import flip_a_byte
from tests.support.sshd import descendants
from tests.support.trees import differences, set_folder_times

MB = 1 << 20
HUGE = 96 * MB + 4321  # more than one mover carries alone
MIDDLE = 20 * MB + 1


@functools.cache
def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def plant(path: Path, size: int, seed: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(noise(size, seed))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    plant(source / "folder" / "huge", HUGE)
    plant(source / "folder" / "middle", MIDDLE, 2)
    plant(source / "just large", CHUNK_BYTES + 1, 3)
    plant(source / "just small", CHUNK_BYTES, 4)
    set_folder_times(bytes(source))
    return source


@pytest.fixture
def boat(tmp_path: Path, source: Path) -> Iterator[Ferry]:
    with ferry(tmp_path, source) as boat:
        yield boat


def change_in_place(path: Path, places: list[int], data: bytes = b"changed") -> None:
    with path.open("r+b") as file:
        for place in places:
            file.seek(place)
            file.write(data)


def test_large_files_arrive_whole_and_are_proven(boat: Ferry) -> None:
    boat.copy()
    assert differences(boat.source, boat.target) == []
    assert boat.moved_bytes() == sum(path.stat().st_size for path in boat.source.rglob("*") if path.is_file())
    assert boat.temp_files() == []
    found = boat.verify()
    assert found.differs == []
    assert set(boat.states().values()) == {Class.VERIFIED}
    assert boat.copy().carried == 0


def test_verify_finds_one_wrong_byte_in_a_chunked_file(boat: Ferry) -> None:
    boat.copy()
    flip_a_byte(boat.target / "folder" / "huge")
    found = boat.verify()
    assert [(path, reason.partition(" in chunk")[0]) for path, reason in found.differs] == [
        (b"folder/huge", "has other content")
    ]
    before = boat.moved_bytes()
    boat.copy()
    assert boat.moved_bytes() - before <= HASH_BLOCK, "only the damaged block travels"
    assert differences(boat.source, boat.target) == []
    assert boat.verify().differs == []


def test_the_digest_of_the_whole_is_known_after_the_verification(boat: Ferry) -> None:
    boat.copy()
    boat.verify()
    flip_a_byte(boat.target / "folder" / "middle")
    assert boat.verify().differs == [(b"folder/middle", "has other content")]


def test_of_a_changed_file_only_changed_blocks_travel(boat: Ferry) -> None:
    boat.copy()
    huge = boat.source / "folder" / "huge"
    change_in_place(huge, [5, 40 * MB + 17])
    before, inode = boat.moved_bytes(), (boat.target / "folder" / "huge").stat().st_ino
    boat.copy()
    assert boat.moved_bytes() - before == 2 * HASH_BLOCK
    assert differences(boat.source, boat.target) == []
    assert (boat.target / "folder" / "huge").stat().st_ino != inode, "the old version stood until the new one was there"
    assert boat.verify().differs == []


@pytest.mark.parametrize("size", [HUGE + 3 * MB, HUGE - 30 * MB, CHUNK_BYTES + 5, 100])
def test_a_file_that_grew_or_shrank_arrives(boat: Ferry, size: int) -> None:
    boat.copy()
    os.truncate(boat.source / "folder" / "huge", size)
    boat.copy()
    assert differences(boat.source, boat.target) == []
    assert boat.verify().differs == []
    assert boat.temp_files() == []


def test_a_small_file_that_became_large_and_the_other_way_round(boat: Ferry) -> None:
    boat.copy()
    plant(boat.source / "just small", 3 * CHUNK_BYTES, 9)
    plant(boat.source / "just large", 10, 9)
    boat.copy()
    assert differences(boat.source, boat.target) == []
    assert boat.verify().differs == []


def test_holes_do_not_travel_and_stay_holes(boat: Ferry) -> None:
    sparse = boat.source / "sparse"
    with sparse.open("wb") as file:
        for place in (0, 140 * MB + 13, 280 * MB):
            file.seek(place)
            file.write(b"data" * 1000)
        file.truncate(400 * MB)
    with (boat.source / "small and sparse").open("wb") as file:
        file.truncate(MB)
    with (boat.source / "nothing but a hole").open("wb") as file:
        file.truncate(60 * MB)
    before = boat.moved_bytes()
    boat.copy()
    plain = HUGE + MIDDLE + 2 * CHUNK_BYTES + 1
    assert boat.moved_bytes() - before - plain < MB
    for name in ("sparse", "small and sparse", "nothing but a hole"):
        assert (boat.target / name).stat().st_blocks * 512 < MB
    assert differences(boat.source, boat.target) == []
    assert boat.verify().differs == []
    change_in_place(sparse, [200 * MB])
    boat.copy()
    assert (boat.target / "sparse").stat().st_blocks * 512 < 2 * MB
    assert differences(boat.source, boat.target) == []
    assert boat.verify().differs == []


def stop_after(boat: Ferry, size_bytes: int) -> None:
    """Ask for a stop once so much was read; the pass ends Interrupted."""
    told = boat.events
    seen = 0

    class Listener(list[Event]):
        def append(self, event: Event) -> None:
            nonlocal seen
            told.append(event)
            if isinstance(event, BytesMoved):
                seen += event.size_bytes
                if seen >= size_bytes:
                    boat.stop.ask(signal.SIGINT)
                    boat.pool.ask_to_stop()

    crossing = boat.crossing()
    object.__setattr__(crossing, "on_event", Listener().append)
    with pytest.raises(Interrupted):
        copy_pass(Course(crossing))


@pytest.fixture
def parked(tmp_path: Path, source: Path) -> Iterator[tuple[Path, Ferry]]:
    """A pass that was stopped when about half of the huge file was there, and the state to go on with."""
    (source / "folder" / "middle").unlink()
    (source / "just large").unlink()
    (source / "just small").unlink()
    set_folder_times(bytes(source))
    with ferry(tmp_path, source) as boat:
        stop_after(boat, HUGE // 2)
    with ferry(tmp_path, source) as boat:
        yield source, boat


def chunks_of(boat: Ferry) -> dict[int, bytes]:
    return boat.journal.manifest("files").large.chunks(b"folder/huge")


def test_a_stopped_file_goes_on_where_it_was(parked: tuple[Path, Ferry]) -> None:
    _, boat = parked
    there = len(chunks_of(boat))
    assert there > 2
    assert len(boat.temp_files()) == 1
    boat.copy()
    assert boat.moved_bytes() <= HUGE - (there - 1) * CHUNK_BYTES
    assert differences(boat.source, boat.target) == []
    assert boat.temp_files() == []
    assert boat.verify().differs == []


def test_a_chunk_that_was_damaged_meanwhile_is_sent_again(parked: tuple[Path, Ferry]) -> None:
    _, boat = parked
    there = sorted(chunks_of(boat))
    (temp,) = boat.temp_files()
    change_in_place(temp, [there[0] * CHUNK_BYTES + 99])
    boat.copy()
    assert HUGE - len(there) * CHUNK_BYTES <= boat.moved_bytes() <= HUGE - (len(there) - 2) * CHUNK_BYTES
    assert differences(boat.source, boat.target) == []


def test_a_temp_file_that_is_gone_means_all_of_it_anew(parked: tuple[Path, Ferry]) -> None:
    _, boat = parked
    (temp,) = boat.temp_files()
    temp.unlink()
    boat.copy()
    assert boat.moved_bytes() == HUGE
    assert differences(boat.source, boat.target) == []


def test_another_version_begins_anew_and_leaves_nothing_of_the_old(parked: tuple[Path, Ferry]) -> None:
    source, boat = parked
    change_in_place(source / "folder" / "huge", [1])
    set_folder_times(bytes(source))
    boat.copy()
    assert boat.temp_files() == []
    assert differences(boat.source, boat.target) == []
    assert boat.verify().differs == []


def test_a_file_that_is_gone_meanwhile_is_swept(parked: tuple[Path, Ferry]) -> None:
    source, boat = parked
    (source / "folder" / "huge").unlink()
    boat.copy()
    with closing(boat.crossing().open_target().__enter__()) as target:
        target.sweep(boat.journal.manifest("files").large.temp_names())
    assert boat.temp_files() == []


def test_a_file_that_changes_while_it_is_read_is_hot_and_arrives_later(boat: Ferry) -> None:
    huge = boat.source / "folder" / "huge"
    changed = threading.Event()

    def change_once(event: Event) -> None:
        boat.events.append(event)
        if isinstance(event, BytesMoved) and not changed.is_set() and list(boat.target.rglob(".migrator-*")):
            changed.set()
            change_in_place(huge, [3 * MB])

    crossing = boat.crossing()
    object.__setattr__(crossing, "on_event", change_once)
    copy_pass(Course(crossing))
    boat.copy()
    assert changed.is_set()
    assert differences(boat.source, boat.target, root=False) == []
    assert boat.temp_files() == []
    assert boat.verify().differs == []


def test_a_mover_killed_in_mid_file_costs_no_more_than_its_chunk(boat: Ferry) -> None:
    killed: list[int] = []

    def kill_one(event: Event) -> None:
        boat.events.append(event)
        if isinstance(event, BytesMoved) and not killed and chunks_of(boat):
            killed.append(descendants(os.getpid())[0])
            os.kill(killed[0], signal.SIGKILL)

    crossing = boat.crossing()
    object.__setattr__(crossing, "on_event", kill_one)
    copy_pass(Course(crossing))
    assert killed
    assert any("given out again" in note for note in boat.notes())
    assert differences(boat.source, boat.target) == []
    total = sum(path.stat().st_size for path in boat.source.rglob("*") if path.is_file())
    assert boat.moved_bytes() <= total + 3 * CHUNK_BYTES
    assert boat.temp_files() == []


class TestChunks:
    def test_a_chunk_hashed_as_it_comes_has_the_digest_of_its_blocks(self) -> None:
        content = random.Random(5).randbytes(CHUNK_BYTES + 3 * MB + 7)
        import hashlib

        for number in (0, 1):
            extent = chunk_extent(number, len(content))
            part = content[extent.offset : extent.end]
            blocks = [hashlib.sha256(part[at : at + HASH_BLOCK]).digest() for at in range(0, len(part), HASH_BLOCK)]
            hasher = ChunkHasher(extent)
            for at in range(0, len(part), 300_007):
                hasher.update(extent.offset + at, part[at : at + 300_007])
            assert hasher.digest() == digest_of_blocks(blocks)

    def test_what_is_skipped_counts_as_zeros(self) -> None:
        full, holed = ChunkHasher(Extent(0, 3 * MB)), ChunkHasher(Extent(0, 3 * MB))
        full.update(0, bytes(2 * MB) + b"x" + bytes(MB - 1))
        holed.update(2 * MB, b"x")
        assert full.digest() == holed.digest()

    @pytest.mark.parametrize(
        ("extents", "chunks"),
        [
            ([], {}),
            ([(0, 1)], {0: [(0, 1)]}),
            ([(0, CHUNK_BYTES)], {0: [(0, CHUNK_BYTES)]}),
            ([(CHUNK_BYTES - 1, 2)], {0: [(CHUNK_BYTES - 1, 1)], 1: [(CHUNK_BYTES, 1)]}),
            ([(5, 1), (9, 1), (3 * CHUNK_BYTES, 4)], {0: [(5, 1), (9, 1)], 3: [(3 * CHUNK_BYTES, 4)]}),
        ],
    )
    def test_only_chunks_with_data_count(self, extents: list[tuple[int, int]], chunks: dict[int, Any]) -> None:
        assert with_data(Extent(*each) for each in extents) == chunks
