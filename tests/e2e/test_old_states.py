"""States as earlier versions left them: resumed by today's code, whatever their schema and phase."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from migrator.domain.phases import Phase
from migrator.journal.tables import APPLICATION, JOURNAL
from tests.support.cli import Outcome
from tests.support.moves import footprint
from tests.support.old_states import MIGRATION, NAME, Ground, kept, unpack
from tests.support.trees import differences

STATES = kept()
BEFORE_THE_SWITCH = [(schema, phase) for schema, phase in STATES if not phase.is_at_least(Phase.SWITCHING)]
SWITCHED = [(schema, phase) for schema, phase in STATES if phase in (Phase.SWITCHING, Phase.SWITCHED_OVER)]
AT_THE_END = [(schema, phase) for schema, phase in STATES if phase.is_at_least(Phase.ACCEPTED)]


def versions(ground: Ground) -> list[int]:
    """The schema of each database, as its header says it."""
    folder = ground.state / MIGRATION
    found = []
    for path in (folder / "journal.db", folder / "applications" / f"{NAME}.db"):
        with closing(sqlite3.connect(path)) as raw:
            found.append(int(raw.execute("PRAGMA user_version").fetchone()[0]))
    return found


def flags(ground: Ground) -> set[str]:
    return {path.name for path in ground.folder.iterdir()} & {"frozen", "first", "second"}


def report(outcome: Outcome) -> tuple[str, dict[str, int]]:
    """Where the application stands after a command, and how many items are in which class."""
    (line,) = outcome.events("application.report")
    return line["phase"], {name: count for name, count in line["counts"].items() if count}


def test_a_state_is_kept_of_every_schema_and_phase() -> None:
    """A new schema is released with its states: see tests/support/old_states.py."""
    first = set(Phase) - {Phase.DECOMMISSIONED}
    assert APPLICATION.version == JOURNAL.version == 2
    assert {phase for schema, phase in STATES if schema == 1} == first
    assert {phase for schema, phase in STATES if schema == 2} == set(Phase)


@pytest.mark.parametrize(("schema", "phase"), BEFORE_THE_SWITCH)
def test_before_the_switch_it_goes_on_to_the_switch(schema: int, phase: Phase, tmp_path: Path) -> None:
    ground = unpack(schema, phase, tmp_path)
    assert versions(ground) == [schema, schema]
    if (schema, phase) == (1, Phase.SYNCED):  # its copies bear no seals, so that none of them can be proven
        unproven = ground.cli("run", "--yes", "--json", expect=3)
        assert report(unproven) == (Phase.SYNCED, {"failed": 7})
    elif phase.is_at_least(Phase.SYNCED):  # the source that the test has planted is not the very one that was frozen
        moved = ground.cli("run", "--yes", "--json", expect=4)
        assert report(moved)[0] == Phase.FROZEN
    assert flags(ground) <= {"frozen"}
    arrived = ground.cli("run", "--yes", "--json")
    assert report(arrived) == (Phase.SWITCHED_OVER, {"verified": 7})
    assert differences(ground.folder / "source", ground.folder / "target") == []
    assert flags(ground) == {"frozen", "first", "second"}
    assert versions(ground) == [JOURNAL.version, APPLICATION.version]


@pytest.mark.parametrize(("schema", "phase"), SWITCHED)
def test_once_users_were_sent_it_is_finished_and_accepted(schema: int, phase: Phase, tmp_path: Path) -> None:
    ground = unpack(schema, phase, tmp_path)
    arrived = footprint(ground.folder / "target")
    ground.cli("run", "--yes")
    assert report(ground.cli("accept", "--json")) == (Phase.ACCEPTED, {"verified": 7})
    assert footprint(ground.folder / "target") == arrived
    assert flags(ground) == {"frozen", "first", "second"}
    assert versions(ground) == [JOURNAL.version, APPLICATION.version]


@pytest.mark.parametrize(("schema", "phase"), SWITCHED)
def test_falling_back_loses_nothing_that_users_wrote(schema: int, phase: Phase, tmp_path: Path) -> None:
    """The plan does not allow to write at the source, so that what is new at the target keeps users there."""
    ground = unpack(schema, phase, tmp_path)
    switched = flags(ground)
    (ground.folder / "target" / "upload").write_text("by a user")
    ground.cli("fall-back", "--yes", expect=4)
    assert (ground.folder / "target" / "upload").read_text() == "by a user"
    assert flags(ground) == switched


@pytest.mark.parametrize(("schema", "phase"), AT_THE_END)
def test_at_its_end_it_stays(schema: int, phase: Phase, tmp_path: Path) -> None:
    ground = unpack(schema, phase, tmp_path)
    arrived = footprint(ground.folder / "target")
    assert report(ground.cli("run", "--yes", "--json")) == (phase, {"verified": 7})
    assert footprint(ground.folder / "target") == arrived


def test_looking_at_an_older_state_changes_nothing(tmp_path: Path) -> None:
    ground = unpack(1, Phase.VERIFIED, tmp_path)
    outcome = ground.cli("status", expect=9)
    assert "older" in outcome.stderr
    assert versions(ground) == [1, 1]
