"""Passes over real trees, with real movers: what arrives, what waits, what is deleted, and what is never touched."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from migrator.domain.entries import Class, Entry, Kind
from migrator.domain.events import Event, ItemChanged
from migrator.endpoints.contract import Problem
from migrator.errors import Interrupted, LocalFault, SafetyStop
from migrator.journal.manifest import Manifest
from migrator.transfer.course import Course
from migrator.transfer.landing import Stayed
from migrator.transfer.passing import copy_pass
from tests.support.crossings import Ferry, ferry
from tests.support.moves import footprint
from tests.support.sshd import descendants, wait_for
from tests.support.trees import build_deep, build_many, build_specials, differences, remove_tree, set_folder_times


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    for path in ("a/one", "a/two", "b/c/three", "four"):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(path.encode())
    (source / "link").symlink_to("a/one")
    set_folder_times(bytes(source))
    return source


@pytest.fixture
def boat(tmp_path: Path, source: Path) -> Iterator[Ferry]:
    with ferry(tmp_path, source) as boat:
        yield boat


def test_a_second_pass_reads_nothing_and_writes_nothing(boat: Ferry) -> None:
    assert boat.copy().carried == 9  # five files and links, four folders
    assert differences(boat.source, boat.target) == []
    before, moved = footprint(boat.target), boat.moved_bytes()
    assert boat.copy().carried == 0
    assert boat.final().carried == 0
    assert footprint(boat.target) == before
    assert boat.moved_bytes() == moved


def test_a_change_of_a_mode_alone_arrives(boat: Ferry) -> None:
    boat.copy()
    (boat.source / "four").chmod(0o600)
    (boat.source / "a").chmod(0o555)
    boat.copy()
    assert differences(boat.source, boat.target) == []


def test_folders_have_their_time_and_mode_after_something_in_them_changed(boat: Ferry) -> None:
    (boat.source / "b/c").chmod(0o555)
    boat.copy()
    (boat.source / "b/c/three").write_bytes(b"changed in place, so that no folder changes at the source")
    boat.copy()
    assert differences(boat.source, boat.target) == []


def test_a_folder_that_became_closed_still_takes_what_is_new(boat: Ferry) -> None:
    boat.copy()
    (boat.source / "a/new").write_bytes(b"new")
    (boat.source / "a").chmod(0o500)
    (boat.source / "a/two").unlink()
    boat.copy()
    boat.final()
    assert differences(boat.source, boat.target) == []


def test_deep_trees_and_large_files_arrive(boat: Ferry) -> None:
    build_deep(bytes(boat.source / "deep"), 300)
    (boat.source / "large").write_bytes(os.urandom(9 * 1024 * 1024 + 1))
    (boat.source / "empty").touch()
    boat.copy()
    assert differences(boat.source, boat.target) == []
    assert boat.moved_bytes() > 9 * 1024 * 1024
    remove_tree(bytes(boat.source / "deep"))
    boat.change(max_deletions=1.0)
    boat.final()
    assert differences(boat.source, boat.target) == []


def test_special_files_stay_behind_and_are_told(boat: Ferry) -> None:
    build_specials(bytes(boat.source / "run"))
    boat.copy()
    assert boat.states()[b"run/fifo"] is Class.EXCLUDED
    assert boat.reasons()[b"run/socket"] == "special file"
    assert [note for note in boat.notes() if "2 special files" in note]
    assert sorted(os.listdir(boat.target / "run")) == []


def test_what_the_plan_excludes_is_counted_and_neither_copied_nor_deleted(boat: Ferry) -> None:
    boat.change(exclude=("a/",))
    boat.copy()
    assert not (boat.target / "a").exists()
    assert {path for path, state in boat.states().items() if state is Class.EXCLUDED} == {b"a", b"a/one", b"a/two"}
    boat.change(exclude=())
    boat.copy()
    boat.change(exclude=("a/",))
    boat.final()
    assert (boat.target / "a/one").exists(), "what is excluded later stays where it is"


def test_refused_links_fail_one_by_one(boat: Ferry) -> None:
    boat.change(symlinks="refuse")
    tallies = boat.copy()
    assert tallies.failures == [(b"link", "the plan refuses symbolic links")]
    assert tallies.failed == 1
    assert not (boat.target / "link").is_symlink()
    assert boat.final().failed == 1, "a refusal must not turn into silence"


def test_a_file_that_grows_for_ever_stays_pending_and_fails_under_freeze(boat: Ferry) -> None:
    is_over = threading.Event()
    log = boat.source / "log"
    log.write_bytes(bytes(16 * 1024 * 1024))

    def grow() -> None:
        with log.open("ab", buffering=0) as file:
            while not is_over.wait(0.0005):
                file.write(b"x" * 100)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        tallies = boat.copy()
        assert set(tallies.hot) == {b"log"}
        assert (tallies.failed, boat.states()[b"log"]) == (0, Class.PENDING)
        assert not (boat.target / "log").exists()
        under_freeze = boat.final()
        assert under_freeze.failed == 1
        assert boat.states()[b"log"] is Class.FAILED
        assert "still changing under freeze" in (boat.reasons()[b"log"] or "")
    finally:
        is_over.set()
        writer.join()
    assert boat.temp_files() == []
    boat.final()
    assert differences(boat.source, boat.target) == []


def test_a_source_that_is_suddenly_empty_stops_everything_and_costs_nothing(boat: Ferry) -> None:
    boat.copy()
    away = boat.source.parent / "away"
    before = footprint(boat.target)
    for carry in (boat.copy, boat.final):
        boat.source.rename(away)
        boat.source.mkdir()
        (boat.source / "excluded.tmp").touch()
        boat.change(exclude=("*.tmp",), max_deletions=1.0)
        with pytest.raises(SafetyStop, match="suddenly empty"):
            carry()
        shutil.rmtree(boat.source)
        away.rename(boat.source)
    assert footprint(boat.target) == before
    moved = boat.moved_bytes()
    boat.final()
    assert boat.moved_bytes() == moved, "it is back: nothing is to be copied again"
    assert differences(boat.source, boat.target) == []


def test_no_pass_deletes_more_than_the_plan_allows(boat: Ferry) -> None:
    boat.copy()
    before = footprint(boat.target)
    shutil.rmtree(boat.source / "a")
    shutil.rmtree(boat.source / "b")
    with pytest.raises(SafetyStop, match="6 of 9 items would be deleted"):
        boat.final()
    assert footprint(boat.target) == before
    boat.change(max_deletions=0.7)
    assert boat.final().deleted == 6
    assert differences(boat.source, boat.target) == []


def test_while_people_work_nothing_is_deleted(boat: Ferry) -> None:
    boat.copy()
    shutil.rmtree(boat.source / "a")
    boat.copy()
    assert (boat.target / "a/one").read_bytes() == b"a/one"


def test_entries_that_are_not_ours_survive_every_pass(boat: Ferry) -> None:
    boat.copy()
    (boat.target / "stranger").write_bytes(b"stranger")
    (boat.target / "a/stranger").write_bytes(b"stranger")
    shutil.rmtree(boat.source / "a")
    tallies = boat.final()
    assert (boat.target / "stranger").exists()
    assert (boat.target / "a/stranger").exists()
    assert tallies.failures == [(b"a", "it holds entries that are not ours")]


def test_a_partial_scan_deletes_nothing(boat: Ferry, monkeypatch: pytest.MonkeyPatch) -> None:
    boat.copy()
    before = footprint(boat.target)
    (boat.source / "four").unlink()
    shutil.rmtree(boat.source / "b/c")
    real = os.scandir
    closed = (boat.source / "a").stat().st_ino

    def scandir(place: int) -> object:
        if os.fstat(place).st_ino == closed:
            raise PermissionError(13, "Permission denied")
        return real(place)

    monkeypatch.setattr(os, "scandir", scandir)  # root reads everything, whatever its mode
    tallies = boat.final()
    assert tallies.failures == [(b"a", "Permission denied")]
    assert {path for path in before if not os.path.lexists(path)} == set()
    monkeypatch.undo()
    boat.final()
    assert differences(boat.source, boat.target) == []


@pytest.mark.parametrize("before", ["file", "folder", "link"])
@pytest.mark.parametrize("after", ["file", "folder", "link"])
def test_a_change_of_kind_waits_for_the_freeze(boat: Ferry, before: str, after: str) -> None:
    if before == after:
        return
    thing = boat.source / "b/thing"
    make(thing, before)
    boat.copy()
    shutil.rmtree(thing) if thing.is_dir() and not thing.is_symlink() else thing.unlink()
    make(thing, after)
    old = kind(boat.target / "b/thing")
    boat.copy()
    assert kind(boat.target / "b/thing") == old
    assert boat.states()[b"b/thing"] is Class.PENDING
    boat.final()
    assert differences(boat.source, boat.target) == []
    assert set(boat.states().values()) == {Class.ACKNOWLEDGED}


def make(path: Path, what: str) -> None:
    if what == "file":
        path.write_bytes(b"content")
    elif what == "link":
        path.symlink_to("elsewhere")
    else:
        path.mkdir()
        (path / "inside").write_bytes(b"inside")


def kind(path: Path) -> str:
    return "link" if path.is_symlink() else "folder" if path.is_dir() else "file"


def test_a_mover_that_is_killed_costs_nobody_anything(tmp_path: Path) -> None:
    source = tmp_path / "many"
    build_many(bytes(source), 3000)
    with ferry(tmp_path, source) as boat:
        killed: list[int] = []

        def listen(event: Event) -> None:
            boat.events.append(event)
            if isinstance(event, ItemChanged) and not killed:
                killed.extend(descendants(os.getpid())[:1])
                os.kill(killed[0], signal.SIGKILL)

        copy_pass(Course(replace(boat.crossing(), on_event=listen)))
        assert killed
        assert differences(source, boat.target) == []
        files = boat.told(Class.ACKNOWLEDGED)
        assert len(files) == len(set(files)) == 3000
        assert [note for note in boat.notes() if "given out again" in note]
    wait_for(lambda: descendants(os.getpid()) == [], "no mover is left")


def test_a_stop_in_mid_pass_ends_soon_and_the_next_pass_goes_on(tmp_path: Path) -> None:
    source = tmp_path / "many"
    build_many(bytes(source), 3000)
    with ferry(tmp_path, source) as boat:

        def listen(event: Event) -> None:
            boat.events.append(event)
            if isinstance(event, ItemChanged) and not boat.stop.is_asked:
                boat.stop.ask(signal.SIGINT)
                boat.pool.ask_to_stop()

        with pytest.raises(Interrupted):
            copy_pass(Course(replace(boat.crossing(), on_event=listen)))
        first = boat.told(Class.ACKNOWLEDGED)
        assert 0 < len(first) < 3000
        assert boat.temp_files() == []
        states = boat.states()
        assert all(states[path] is Class.ACKNOWLEDGED for path in first)
    with ferry(tmp_path, source) as boat:
        boat.copy()
        assert differences(source, boat.target) == []
        assert set(first).isdisjoint(boat.told(Class.ACKNOWLEDGED)), "what was durable is not sent twice"


def test_what_a_cut_off_run_left_unrecorded_is_still_ours_to_delete(
    boat: Ferry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk has a commit group, the journal never heard of it; then the source drops the items."""

    def cut_off(manifest: Manifest, rows: object) -> int:
        raise LocalFault("the power is gone")

    monkeypatch.setattr(Manifest, "copied", cut_off)
    with pytest.raises(LocalFault, match="the power is gone"):
        boat.copy()
    monkeypatch.undo()
    assert (boat.target / "a/one").exists()
    assert Class.ACKNOWLEDGED not in boat.states().values()
    shutil.rmtree(boat.source / "a")
    boat.change(max_deletions=1.0)
    boat.final()
    assert differences(boat.source, boat.target) == []


def test_a_file_that_vanishes_under_freeze_is_not_called_hot(boat: Ferry) -> None:
    course = Course(boat.crossing())
    course.manifest.begin_scan().end()
    boat.copy()
    entry = Entry(b"four", Kind.FILE, 1, 0, 0o644, 0, 0)
    course.stayed([Stayed(entry.path, Problem.CHANGED, "it changed while it was read")])
    assert set(course.tallies.hot) == {b"four"}
    course.stayed([Stayed(entry.path, Problem.VANISHED, "gone")])
    assert course.tallies.hot == {}
    assert (course.tallies.vanished, boat.states()[b"four"]) == (1, Class.VANISHED)
