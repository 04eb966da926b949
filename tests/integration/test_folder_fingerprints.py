"""Passes that take unchanged folders for seen know exactly what passes know that look at every name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator.domain.entries import Class, Entry, Kind, Listed, Unchanged
from migrator.endpoints.agent import program as agent
from migrator.errors import SafetyStop
from migrator.journal.database import _pragma
from migrator.journal.manifest import Copied
from migrator.movers.crossing import Crossing
from migrator.transfer.course import Course
from migrator.transfer.passing import survey
from migrator.verification.proof import source_changes
from tests.support.crossings import Ferry, ferry
from tests.support.folders import CHANGE, FOLDERS, PATHS, change, let_a_tick_pass, make_some
from tests.support.trees import remove_tree

_numbers = count()
_ROW = """
    SELECT path, kind, size, mtime_ns, mode, uid, gid, link, ctime_ns, inode, state, reason, target_kind, is_gone, tries
    FROM item WHERE dataset = ? ORDER BY path
"""

OUTCOME = st.tuples(
    st.sampled_from(["failed", "postponed", "vanished", "touched"]),
    st.sets(st.sampled_from((*PATHS, *FOLDERS)), min_size=1, max_size=2),
)
ROUND = st.tuples(
    st.lists(CHANGE, max_size=4),
    st.sampled_from([(), (), ("x",), ("a/",)]),  # what the plan leaves out
    st.booleans(),  # whether what is pending is copied
    st.lists(OUTCOME, max_size=1),
    st.sampled_from(["keeps", "keeps", "removes", "distrusts"]),
)


@dataclass
class Looker:
    """One way of looking at a source, and the manifest it leads to."""

    ferry: Ferry
    recognises: bool

    def crossing(self, exclude: tuple[str, ...]) -> Crossing:
        self.ferry.change(exclude=exclude)
        return replace(self.ferry.crossing(), recognises=self.recognises)

    def rows(self) -> list[tuple[Any, ...]]:
        manifest = self.ferry.crossing().manifest
        with manifest._database.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(_ROW, (manifest._id,))]


def play(looker: Looker, exclude: tuple[str, ...], carries: bool, outcomes: list[Any], end: str) -> list[object]:
    """One pass and what comes of it, as a list of everything that can be seen of it."""
    crossing = looker.crossing(exclude)
    manifest = crossing.manifest
    seen: list[object] = [sorted(source_changes(crossing, read_again=False))]
    try:
        record = survey(Course(crossing))
    except SafetyStop as stop:
        return [*seen, str(stop), looker.rows()]
    seen += [record.items, record.size_bytes, record.is_complete, looker.rows()]
    if carries:
        for block in manifest.pending(frozenset(Kind)):
            manifest.intended([entry.path for entry in block])
            manifest.copied([Copied(entry, None, "test") for entry in block])
    for outcome, paths in outcomes:
        known = sorted(manifest.knows(sorted(paths)))
        getattr(manifest, outcome)(known if outcome == "touched" else [(path, "why not") for path in known])
    if end == "removes":
        manifest.removed([entry.path for block in manifest.gone() for entry in block])
    elif end == "distrusts":
        manifest.distrust()
    return [*seen, looker.rows(), manifest.tally()]


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fingerprints at once: the tests wait for the clock of the file system instead."""
    monkeypatch.setattr(agent, "STILL_NS", 0)


@pytest.fixture(scope="module")
def lookers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Looker, Looker]]:
    folder = tmp_path_factory.mktemp("lookers")
    with contextlib.ExitStack() as stack:
        both = []
        for name, recognises in (("short", True), ("long", False)):
            (folder / name).mkdir()
            looking = stack.enter_context(ferry(folder / name, folder / "source", movers=1))
            _pragma(looking.journal._database._connection, "synchronous = OFF")  # the rules are tried, not the disk
            both.append(Looker(looking, recognises))
        yield both[0], both[1]


@pytest.mark.usefixtures("still")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=st.lists(ROUND, min_size=2, max_size=4))
def test_nobody_can_tell_the_difference(lookers: tuple[Looker, Looker], rounds: list[Any]) -> None:
    short, long = lookers
    root = short.ferry.source
    remove_tree(os.fsencode(root))
    make_some(os.fsencode(root))
    number = next(_numbers)
    for looker in lookers:
        looker.ferry.change(name=f"story {number}")
    for changes, exclude, carries, outcomes, end in rounds:
        for what, path, how in changes:
            change(os.fsencode(root), what, path, how)
        let_a_tick_pass(root.parent)
        assert play(short, exclude, carries, outcomes, end) == play(long, exclude, carries, outcomes, end)


@pytest.fixture
def crossed(tmp_path: Path, still: None) -> Iterator[Looker]:
    """A tree that was copied by a pass which recognises folders."""
    make_some(os.fsencode(tmp_path / "source"))
    let_a_tick_pass(tmp_path)
    with ferry(tmp_path, tmp_path / "source") as looking:
        looker = Looker(looking, recognises=True)
        looking.crossing = lambda real=looking.crossing: replace(real(), recognises=True)  # type: ignore[method-assign, misc]
        assert looking.copy().failed == 0
        assert len(looking.crossing().manifest.fingerprints()) == len(FOLDERS)
        yield looker


def test_an_unchanged_tree_costs_no_name(crossed: Looker, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    real: Callable[[os.stat_result], bytes] = agent.facts_of

    def facts_of(found: os.stat_result) -> bytes:
        told.append(found.st_ino)
        return real(found)

    monkeypatch.setattr(agent, "facts_of", facts_of)
    before = crossed.rows()
    tallies = crossed.ferry.copy()
    assert (tallies.carried, tallies.deleted) == (0, 0)
    assert crossed.rows() == before
    assert crossed.ferry.changes() == []
    assert set(told) == {os.stat(crossed.ferry.source).st_ino}
    record = crossed.ferry.crossing().manifest.last_scan()
    assert record is not None
    assert (record.items, record.size_bytes, record.is_complete) == (len(PATHS) + len(FOLDERS), len(PATHS), True)


def test_what_is_deleted_in_one_folder_goes_and_nothing_else(crossed: Looker) -> None:
    os.unlink(crossed.ferry.source / "a" / "c" / "x")
    crossed.ferry.copy()
    assert [entry.path for block in crossed.ferry.crossing().manifest.gone() for entry in block] == [b"a/c/x"]
    assert crossed.ferry.final().deleted == 1
    assert b"a/c/x" not in crossed.ferry.states()
    assert len(crossed.ferry.states()) == len(PATHS) + len(FOLDERS) - 1


def test_what_is_deleted_before_a_pass_that_is_cut_off_goes_all_the_same(crossed: Looker) -> None:
    os.unlink(crossed.ferry.source / "a" / "c" / "x")
    let_a_tick_pass(crossed.ferry.source.parent)
    crossing = crossed.ferry.crossing()
    scan = crossing.manifest.begin_scan()
    with crossing.open_source() as tree:
        for block in crossing.look_at(tree):
            entries = [each for each in block if isinstance(each, Entry)]
            scan.unchanged([each for each in block if isinstance(each, Unchanged)])
            scan.note(entries, [each for each in block if isinstance(each, Listed)])
    assert "files/a/c/x: gone" in crossed.ferry.changes()  # the pass never came to its end
    assert crossed.ferry.final().deleted == 1
    assert b"a/c/x" not in crossed.ferry.states()


def test_a_folder_that_goes_takes_all_that_is_in_it(crossed: Looker) -> None:
    remove_tree(os.fsencode(crossed.ferry.source / "a"))
    assert "files/a/c/z: gone" in crossed.ferry.changes()
    crossed.ferry.copy()
    gone = [entry.path for block in crossed.ferry.crossing().manifest.gone() for entry in block]
    assert gone == sorted((path for path in (*PATHS, *FOLDERS) if path == b"a" or path.startswith(b"a/")), reverse=True)


@pytest.mark.parametrize("outcome", ["failed", "postponed", "vanished"])
def test_a_folder_is_listed_again_as_long_as_something_in_it_is_not_in_place(crossed: Looker, outcome: str) -> None:
    manifest = crossed.ferry.crossing().manifest
    getattr(manifest, outcome)([(b"a/x", "why not")])
    assert len(manifest.fingerprints()) == len(FOLDERS) - 1
    assert crossed.ferry.copy().carried_bytes == 1
    assert crossed.ferry.states()[b"a/x"] is Class.ACKNOWLEDGED
    assert crossed.ferry.copy().carried == 0
    assert len(manifest.fingerprints()) == len(FOLDERS)


def test_what_was_copied_newer_than_it_was_scanned_is_looked_at_again(crossed: Looker) -> None:
    manifest = crossed.ferry.crossing().manifest
    entry = next(each for block in manifest.to_verify(2**62) for each, *_ in block if each.path == b"a/x")
    manifest.copied([Copied(entry._replace(ctime_ns=1), b"d" * 32, "test")])
    assert len(manifest.fingerprints()) == len(FOLDERS) - 1


def test_links_that_the_plan_refuses_fail_in_every_pass(crossed: Looker) -> None:
    os.symlink("x", crossed.ferry.source / "a" / "link")
    let_a_tick_pass(crossed.ferry.source.parent)
    crossed.ferry.change(symlinks="refuse")
    for _ in range(2):
        assert crossed.ferry.copy().failed == 1


def test_a_source_of_which_only_excluded_things_are_left_is_refused(crossed: Looker) -> None:
    crossed.ferry.change(exclude=("b/",))
    crossed.ferry.final()
    remove_tree(os.fsencode(crossed.ferry.source / "a"))
    for name in (b"x", b"y", b"z"):
        os.unlink(os.fsencode(crossed.ferry.source) + b"/" + name)
    with pytest.raises(SafetyStop, match="suddenly empty"):
        crossed.ferry.copy()


def test_a_plan_that_changes_makes_every_folder_unknown(crossed: Looker) -> None:
    manifest = crossed.ferry.crossing().manifest
    manifest.distrust()
    assert manifest.fingerprints() == []
    assert crossed.ferry.copy().carried == len(PATHS) + len(FOLDERS)


def test_what_is_young_has_no_fingerprint(crossed: Looker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "STILL_NS", 3600 * 10**9)
    assert crossed.ferry.copy().carried == 0
    assert crossed.ferry.crossing().manifest.fingerprints() == []
