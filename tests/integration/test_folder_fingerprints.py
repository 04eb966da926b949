"""Passes that take unchanged folders for seen know exactly what passes know that look at every name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator.domain.entries import Kind
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
