"""Verification and the proof of freeze, over real trees and with real movers: what is found, and what it becomes."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, cast

import pytest

from migrator.domain.entries import Class, Entry, Kind
from migrator.domain.events import Event, ItemChanged
from migrator.endpoints.contract import TargetTree
from migrator.errors import Interrupted
from migrator.journal.manifest import Copied
from migrator.verification.verifying import verify
from tests.support.crossings import Ferry, ferry
from tests.support.moves import flip_a_byte, give
from tests.support.sshd import Account, Sshd, descendants
from tests.support.trees import build_many, differences, set_folder_times


class NamedLane(NamedTuple):
    lane: str


def plant(source: Path) -> None:
    for path in ("a/one", "a/two", "b/c/three", "four"):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(path.encode())
    (source / "link").symlink_to("a/one")
    set_folder_times(bytes(source))


@pytest.fixture
def boat(tmp_path: Path) -> Iterator[Ferry]:
    plant(tmp_path / "source")
    with ferry(tmp_path, tmp_path / "source") as boat:
        boat.final()
        yield boat


def test_a_sound_copy_is_verified_item_by_item(boat: Ferry) -> None:
    found = boat.verify()
    assert (found.verified, found.differs, found.moved_on, found.foreign) == (9, [], [], 0)
    assert set(boat.states().values()) == {Class.VERIFIED}
    assert boat.unproven() == []


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"!")


def become_a_link(path: Path) -> None:
    content = path.parent / "elsewhere"
    path.rename(content)
    path.symlink_to("elsewhere")


def lead_elsewhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("a/two")


def touch(path: Path) -> None:
    os.utime(path, (1, 1))


FAULTS: list[tuple[str, str, Callable[[Path], object], str]] = [
    ("flipped", "a/one", flip_a_byte, "has other content"),
    ("grown", "a/one", grow, "has other content"),
    ("missing", "a/one", Path.unlink, "is missing"),
    ("mode", "a/one", lambda path: path.chmod(0o777), "has mode 0777"),
    ("mtime", "a/one", touch, "has another modification time"),
    ("a link in its place", "a/one", become_a_link, "something else stands there now"),
    ("link missing", "link", Path.unlink, "is missing"),
    ("link elsewhere", "link", lead_elsewhere, "points elsewhere"),
    ("folder missing", "b/c", shutil.rmtree, "is missing"),
    ("mode of a folder", "b/c", lambda path: path.chmod(0o700), "has mode 0700"),
    ("mtime of a folder", "b", touch, "has another modification time"),
]


@pytest.mark.parametrize(("path", "harm", "words"), [each[1:] for each in FAULTS], ids=[each[0] for each in FAULTS])
def test_every_fault_is_named_stays_named_and_is_mended_by_the_next_pass(
    boat: Ferry, path: str, harm: Callable[[Path], object], words: str
) -> None:
    boat.verify()
    harm(boat.target / path)
    for _ in range(2):
        found = boat.verify()
        reasons = dict(found.differs)
        assert words in reasons[path.encode()]
        assert boat.states()[path.encode()] is Class.FAILED
        assert boat.unproven()
    assert set(reasons) <= {path.encode(), path.encode().rpartition(b"/")[0], b"b/c/three"}
    boat.final()
    # What one of the faults put there is not ours to remove.
    assert [line for line in differences(boat.source, boat.target) if "elsewhere" not in line] == []
    assert boat.verify().differs == []
    assert boat.unproven() == []


def test_what_is_only_at_the_target_is_listed_and_left_alone(boat: Ferry) -> None:
    before = (boat.target / "a").stat()
    (boat.target / "a/stranger").write_bytes(b"stranger")
    os.utime(boat.target / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
    found = boat.verify()
    assert (found.foreign, found.differs) == (1, [])
    assert boat.journal.tally().foreign == 1
    assert (boat.target / "a/stranger").exists()


def test_a_source_that_moved_on_is_not_blamed_on_the_target(boat: Ferry) -> None:
    flip_a_byte(boat.source / "four")
    found = boat.verify(both=True)
    assert found.differs == []
    assert found.moved_on == [(b"four", "the source has other content than was copied")]
    assert boat.states()[b"four"] is Class.PENDING


def test_a_verification_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    build_many(bytes(tmp_path / "source"), 3000)
    with ferry(tmp_path, tmp_path / "source") as boat:
        boat.final()
        since = boat.journal.current_seq()

        def listen(event: Event) -> None:
            boat.events.append(event)
            if isinstance(event, ItemChanged) and event.kind == "file" and not boat.stop.is_asked:
                boat.stop.ask(signal.SIGINT)
                boat.pool.ask_to_stop()

        with pytest.raises(Interrupted):
            verify(replace(boat.crossing(), on_event=listen), since, read_source=False)
        first = boat.told(Class.VERIFIED)
        assert 0 < len(first) < 3000
        journal = boat.memory
    with ferry(tmp_path, tmp_path / "source") as boat:
        assert journal.path == boat.memory.path
        boat.verify(since_seq=since)
        again = boat.told(Class.VERIFIED)
        assert set(first).isdisjoint(again)
        assert len(first) + len(again) == 3000
        assert boat.unproven() == []


def test_a_mover_that_is_killed_while_verifying_costs_nothing(tmp_path: Path) -> None:
    build_many(bytes(tmp_path / "source"), 3000)
    with ferry(tmp_path, tmp_path / "source") as boat:
        boat.final()
        killed: list[int] = []

        def listen(event: Event) -> None:
            boat.events.append(event)
            if isinstance(event, ItemChanged) and event.kind == "file" and not killed:
                killed.extend(descendants(os.getpid()))
                for pid in killed:
                    os.kill(pid, signal.SIGKILL)

        found = verify(replace(boat.crossing(), on_event=listen), boat.journal.current_seq(), read_source=False)
        assert killed
        assert found.differs == []
        files = boat.told(Class.VERIFIED)
        assert len(files) == len(set(files)) == 3000
        assert boat.unproven() == []


def renamed_over(path: Path) -> None:
    """Another file with the same size and time takes its place: only inode and ctime tell."""
    other = path.with_name("other")
    other.write_bytes(path.read_bytes()[::-1])
    shutil.copystat(path, other)
    other.replace(path)


def become_a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


MOVES: list[tuple[str, str, Callable[[Path], object], str]] = [
    ("new", "a/new", Path.touch, "new"),
    ("gone", "a/one", Path.unlink, "gone"),
    ("changed", "a/one", grow, "changed"),
    ("flipped, time restored", "a/one", flip_a_byte, "changed"),
    ("renamed over, time restored", "a/one", renamed_over, "changed"),
    ("mode", "a/one", lambda path: path.chmod(0o777), "changed"),
    ("link", "link", lead_elsewhere, "changed"),
    ("kind", "a/one", become_a_folder, "changed"),
    ("special", "a/one", become_a_fifo, "gone"),
    ("folder", "b/c", lambda path: path.chmod(0o700), "changed"),
]


@pytest.mark.parametrize(("path", "move", "word"), [each[1:] for each in MOVES], ids=[each[0] for each in MOVES])
def test_whatever_moves_at_the_source_breaks_the_proof(
    boat: Ferry, path: str, move: Callable[[Path], object], word: str
) -> None:
    boat.verify()
    assert boat.changes() == []
    assert boat.unproven() == []
    move(boat.source / path)
    found = boat.changes()
    assert f"files/{path}: {word}" in found
    boat.final()
    boat.verify()
    assert boat.changes() == []
    assert boat.unproven() == []


def test_all_that_differs_is_counted_and_the_first_hundred_named(tmp_path: Path) -> None:
    build_many(bytes(tmp_path / "source"), 700)
    with ferry(tmp_path, tmp_path / "source") as boat:
        boat.final()
        files = [path for path in boat.target.rglob("*") if path.is_file()]
        for path in files:
            path.chmod(0o777)
        found = boat.verify()
        assert (found.differs_count, len(found.differs)) == (700, 100)
        assert len(boat.told(Class.FAILED)) == 700
        for path in boat.source.rglob("*"):
            if path.is_file():
                path.write_bytes(b"other")
        found = boat.verify(both=True)
        assert (found.moved_on_count, len(found.moved_on)) == (700, 100)


class Wide:
    """A target that has ever more folders, as a scan of it says."""

    abilities = NamedLane("local")

    def __init__(self, folders: int) -> None:
        self._folders = folders

    def blocks(self) -> Iterator[list[Entry]]:
        root = Entry(b"", Kind.DIRECTORY, 0, 0, 0o755, 0, 0)
        yield [root]
        for start in range(0, self._folders, 500):
            yield [root._replace(path=b"folder %06d" % number) for number in range(start, start + 500)]

    def scan(self) -> Iterator[list[Entry]]:
        return self.blocks()


def test_a_wide_tree_is_compared_in_memory_that_stays_flat(boat: Ferry) -> None:
    tree = Wide(20_000)
    scan = boat.crossing().manifest.begin_scan()
    for block in tree.blocks():
        scan.note(block)
        boat.crossing().manifest.copied([Copied(entry, None, "adopted") for entry in block])
    scan.end()
    alive: list[int] = []

    def listen(event: Event) -> None:
        if isinstance(event, ItemChanged) and event.path.endswith(b"0000"):
            alive.append(sum(type(each) is Entry for each in gc.get_objects()))

    crossing = replace(
        boat.crossing(),
        on_event=listen,
        open_target=lambda: contextlib.nullcontext(cast("TargetTree", tree)),
        way=boat.crossing().way._replace(keep=frozenset()),
    )
    found = verify(crossing, boat.journal.current_seq(), read_source=False)
    assert (found.verified, found.differs, found.foreign) == (20_001, [], 0)
    assert alive
    assert max(alive) < 5_000


def test_how_strong_the_check_was_is_recorded(sshd: Sshd, ground: Path, account: Account, tmp_path: Path) -> None:
    source = ground / "source"
    plant(source)
    give(source, account)
    with ferry(tmp_path, source, replace(sshd.endpoint("openssh", "old"), lane="agent")) as boat:
        boat.final()
        boat.verify()
        assert boat.checks() == {"target bytes read again"}
        boat.verify(both=True)
        assert boat.checks() == {"target bytes read again, hashed at the source by the agent"}


def test_what_the_plan_excludes_may_move_under_freeze(boat: Ferry) -> None:
    boat.change(exclude=("*.log",))
    boat.final()
    boat.verify()
    before = boat.source.stat()
    (boat.source / "four.log").write_bytes(b"noise")
    os.utime(boat.source, ns=(before.st_atime_ns, before.st_mtime_ns))
    changes = [line for line in boat.changes() if not line.startswith("files/.:") and line != "files/: changed"]
    assert changes == []


def test_over_sftp_only_reading_again_tells_a_byte_with_its_time_restored(
    sshd: Sshd, ground: Path, account: Account, tmp_path: Path
) -> None:
    source = ground / "source"
    plant(source)
    give(source, account)
    with ferry(tmp_path, source, sshd.endpoint("openssh", "old")) as boat:
        boat.final()
        assert differences(source, boat.target, nanoseconds=False) == []
        boat.verify(both=True)
        flip_a_byte(source / "a/one")
        assert boat.changes(read_again=False) == [], "SFTP shows no ctime"
        assert boat.changes(read_again=True) == ["files/a/one: the source has other content than was copied"]
        assert boat.states()[b"a/one"] is Class.PENDING
        boat.final()
        boat.verify(both=True)
        assert boat.changes(read_again=True) == []
        assert differences(source, boat.target, nanoseconds=False) == []
