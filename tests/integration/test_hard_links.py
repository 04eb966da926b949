"""Files with several names on their way: one file at the source is one at the target, whatever comes between."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from migrator.domain.entries import Class, Kind
from migrator.domain.events import Event, ItemChanged
from migrator.domain.stopping import Stop
from migrator.errors import Interrupted
from migrator.journal.manifest import Copied
from tests.support.crossings import KEEP, Ferry, ferry
from tests.support.moves import footprint
from tests.support.sshd import descendants
from tests.support.trees import differences, set_folder_times

NAMES = ("a/one", "b/two", "b/c/three", "four")


def plant(source: Path, names: tuple[str, ...] = NAMES, content: bytes = b"content") -> None:
    """A file with these names."""
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
    (source / names[0]).write_bytes(content)
    for name in names[1:]:
        (source / name).unlink(missing_ok=True)
        os.link(source / names[0], source / name)


@pytest.fixture
def boat(tmp_path: Path) -> Iterator[Ferry]:
    plant(tmp_path / "source")
    (tmp_path / "source/single").write_bytes(b"content")
    set_folder_times(bytes(tmp_path / "source"))
    with ferry(tmp_path, tmp_path / "source", keep=KEEP | {"hardlinks"}) as boat:
        yield boat


def are_the_same(boat: Ferry) -> bool:
    return differences(boat.source, boat.target, everything=True) == [] and boat.temp_files() == []


def test_the_content_goes_once(boat: Ferry) -> None:
    tallies = boat.copy()
    assert are_the_same(boat)
    assert boat.moved_bytes() == 2 * len(b"content")
    assert tallies.carried == 9
    assert tallies.carried_bytes == 2 * len(b"content")
    assert sorted(boat.told(Class.ACKNOWLEDGED)) == sorted([*(name.encode() for name in NAMES), b"single"])
    assert (boat.verify().differs, boat.unproven()) == ([], [])


def test_a_second_pass_writes_nothing(boat: Ferry) -> None:
    boat.copy()
    before = footprint(boat.target)
    assert boat.copy().carried == 0
    assert boat.final().carried == 0
    assert footprint(boat.target) == before


def add_a_name(source: Path) -> None:
    os.link(source / "four", source / "a/five")


def remove_the_first_name(source: Path) -> None:
    (source / "a/one").unlink()


def break_one_up(source: Path) -> None:
    (source / "four").unlink()
    (source / "four").write_bytes(b"content")


def change_the_content(source: Path) -> None:
    (source / "b/two").write_bytes(b"changed")


def change_the_mode(source: Path) -> None:
    (source / "b/two").chmod(0o600)


def join_the_single_one(source: Path) -> None:
    (source / "single").unlink()
    os.link(source / "four", source / "single")


def change_partners(source: Path) -> None:
    (source / "four").unlink()
    os.link(source / "single", source / "four")


def leave_one_name(source: Path) -> None:
    for name in NAMES[1:]:
        (source / name).unlink()


def put_a_folder_there(source: Path) -> None:
    (source / "a/one").unlink()
    plant(source, ("a/one/x", "a/one/y"))


@pytest.mark.parametrize(
    "change",
    [
        add_a_name,
        remove_the_first_name,
        break_one_up,
        change_the_content,
        change_the_mode,
        join_the_single_one,
        change_partners,
        leave_one_name,
        put_a_folder_there,
    ],
)
def test_what_changes_meanwhile_is_caught_up(boat: Ferry, change: Callable[[Path], None]) -> None:
    boat.copy()
    change(boat.source)
    set_folder_times(bytes(boat.source))
    assert boat.copy().failed == 0
    boat.dataset = replace(boat.dataset, max_deletions=1.0)
    assert boat.final().failed == 0
    assert are_the_same(boat)
    assert (boat.verify().differs, boat.changes(), boat.unproven()) == ([], [], [])


def test_a_name_that_is_left_out_stays_out(boat: Ferry) -> None:
    boat.change(exclude=("b/two", "a/"))
    boat.copy()
    assert os.path.samefile(boat.target / "b/c/three", boat.target / "four")
    assert (boat.target / "four").stat().st_nlink == 2
    assert boat.states()[b"b/two"] is Class.EXCLUDED
    assert boat.verify().differs == []


def test_the_first_name_that_fails_takes_the_others_along(boat: Ferry) -> None:
    (boat.target / "a/one").mkdir(parents=True)  # not ours
    tallies = boat.copy()
    assert tallies.failed == 4
    assert {boat.states()[name.encode()] for name in NAMES} == {Class.FAILED}
    assert boat.reasons()[b"four"] == "its other name `a/one` failed"
    (boat.target / "a/one").rmdir()
    assert boat.copy().failed == 0
    assert differences(boat.source, boat.target, everything=True) == []


def test_when_the_first_name_vanishes_the_next_one_leads(boat: Ferry) -> None:
    def on_event(event: Event) -> None:
        if isinstance(event, ItemChanged) and event.path == b"single":  # the others go after it
            (boat.source / "a/one").unlink(missing_ok=True)

    boat.listener = on_event
    assert boat.copy().vanished == 1
    assert boat.states()[b"a/one"] is Class.VANISHED
    assert os.path.samefile(boat.target / "b/two", boat.target / "four")
    assert boat.copy().failed == 0
    assert differences(boat.source, boat.target, everything=True, root=False) == []


def test_a_pass_that_was_stopped_between_the_names_goes_on_there(boat: Ferry) -> None:
    def on_event(event: Event) -> None:
        if isinstance(event, ItemChanged) and event.path == b"a/one":
            boat.stop.ask(signal.SIGTERM)

    boat.listener = on_event
    with pytest.raises(Interrupted):
        boat.copy()
    assert boat.states()[b"a/one"] is Class.ACKNOWLEDGED
    assert boat.states()[b"four"] is Class.PENDING
    inode, moved = (boat.target / "a/one").stat().st_ino, boat.moved_bytes()
    boat.stop, boat.listener = Stop(), None
    boat.copy()
    assert are_the_same(boat)
    assert (boat.target / "four").stat().st_ino == inode
    assert boat.moved_bytes() == moved


def test_many_names(tmp_path: Path) -> None:
    names = tuple(f"{number % 7}/{number:05}" for number in range(2500))
    plant(tmp_path / "source", names)
    set_folder_times(bytes(tmp_path / "source"))
    with ferry(tmp_path, tmp_path / "source", keep=KEEP | {"hardlinks"}) as boat:
        boat.copy()
        assert boat.moved_bytes() == len(b"content")
        assert are_the_same(boat)
        assert boat.verify().differs == []


def test_names_that_became_files_of_their_own_are_found_and_mended(boat: Ferry) -> None:
    boat.final()
    (boat.target / "four").unlink()
    (boat.target / "four").write_bytes(b"content")
    seen = (boat.source / "four").stat()
    os.utime(boat.target / "four", ns=(seen.st_atime_ns, seen.st_mtime_ns))
    set_folder_times(bytes(boat.target))
    assert [path for path, _ in boat.verify().differs] == [b"four"]
    assert boat.reasons()[b"four"] == "is a file of its own, not one with `a/one`"
    boat.final()
    assert are_the_same(boat)
    assert boat.verify().differs == []


def test_files_that_became_one_are_found_and_mended(boat: Ferry) -> None:
    os.utime(boat.source / "single", ns=(0, 0))
    os.utime(boat.source / "four", ns=(0, 0))
    boat.final()
    (boat.target / "single").unlink()
    os.link(boat.target / "four", boat.target / "single")
    set_folder_times(bytes(boat.target))
    assert boat.verify().differs == [(b"single", "is one file with `a/one`, which is another one at the source")]
    boat.final()
    assert are_the_same(boat)


def test_without_the_word_each_name_is_a_file(tmp_path: Path) -> None:
    plant(tmp_path / "source")
    with ferry(tmp_path, tmp_path / "source") as boat:
        boat.copy()
        assert {(boat.target / name).stat().st_nlink for name in NAMES} == {1}
        assert boat.verify().differs == []


def test_a_first_name_that_is_hot_leaves_the_others_to_a_later_pass(boat: Ferry) -> None:
    """The file changes with every read that ends, and stands still before the next pass."""
    path = boat.source / "b/two"
    size = 20 << 20
    path.write_bytes(bytes(size))
    stop = threading.Event()

    def keep_writing() -> None:
        while not stop.is_set():
            os.utime(path)

    writing = threading.Thread(target=keep_writing)
    writing.start()
    try:
        tallies = boat.copy()
    finally:
        stop.set()
        writing.join()
    assert {boat.states()[name.encode()] for name in NAMES} == {Class.PENDING}
    assert sorted(tallies.hot) == sorted(name.encode() for name in NAMES)
    assert (boat.reasons()[b"four"] or "").startswith("its other name `a/one`: it changed")
    boat.copy()
    set_folder_times(bytes(boat.source))
    boat.final()
    assert are_the_same(boat)


def test_a_file_system_that_gets_another_number_changes_nothing(tmp_path: Path) -> None:
    """Only one name is carried anew, and joins the others although they were recorded under another number."""
    plant(tmp_path / "source")
    set_folder_times(bytes(tmp_path / "source"))
    with ferry(tmp_path, tmp_path / "source", keep=KEEP | {"hardlinks"}) as boat:
        boat.copy()
        manifest = boat.crossing().manifest
        seen = [entry for block in manifest.to_verify(0) for entry in block]
        seq = boat.journal.current_seq()
        for each in seen:
            if each.entry.kind is Kind.FILE:
                number = (each.entry.device or 0) + 1
                manifest.copied([Copied(each.entry._replace(device=number), each.sha256, "test")])
        manifest.failed([(b"four", "to be carried again")])
        assert boat.journal.current_seq() > seq
        inode = (boat.target / "a/one").stat().st_ino
        assert boat.copy().carried_bytes == 0
        assert (boat.target / "four").stat().st_ino == inode
        assert boat.verify().differs == []


def test_a_mover_that_is_killed_between_two_names_costs_nobody_anything(tmp_path: Path) -> None:
    names = tuple(f"{number:05}" for number in range(2000))
    plant(tmp_path / "source", names)
    killed: list[int] = []

    def on_event(event: Event) -> None:
        if isinstance(event, ItemChanged) and event.path == b"00300":
            killed.extend(descendants(os.getpid()))
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    with ferry(tmp_path, tmp_path / "source", keep=KEEP | {"hardlinks"}) as boat:
        boat.listener = on_event
        boat.copy()
        assert killed
        assert are_the_same(boat)
        assert len(boat.told(Class.ACKNOWLEDGED)) == 2000


def test_a_large_file_of_several_names_goes_once_and_each_name_is_proven(boat: Ferry) -> None:
    (boat.source / "image").write_bytes(random.Random(5).randbytes(20 << 20))
    for name in ("second", "third"):
        os.link(boat.source / "image", boat.source / name)
    before = boat.moved_bytes()
    boat.copy()
    assert boat.moved_bytes() - before < 21 << 20
    assert differences(boat.source, boat.target, everything=True) == []
    found = boat.verify()
    assert found.differs == []
    assert {boat.states()[name] for name in (b"image", b"second", b"third")} == {Class.VERIFIED}
