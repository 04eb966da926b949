"""The itinerary as a table: every way through it, the gates on it, and the ways back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from migrator.domain.phases import COVERED_BY_YES, UNTIL, Gate, Phase
from migrator.domain.plan import Application, SymlinkSwitch, Triple
from migrator.orchestration.itinerary import AGAIN, FORWARD, ROLL_BACK, gate_of, next_row, rows_from, way_back

BARE = Application("portail", "default", ())
FREEZE = Triple("here", ("apply",), ("probe",), ("undo",))
FULL = replace(BARE, freeze=FREEZE, switches=(SymlinkSwitch("here", b"/current", b"/srv"),))


def test_there_is_one_way_on_from_every_phase_but_the_last() -> None:
    assert sorted(row.start.rank for row in FORWARD) == [phase.rank for phase in Phase][:-1]
    assert next_row(Phase.DECOMMISSIONED) is None
    assert all(row.end.rank > row.start.rank for row in FORWARD)


def test_the_whole_way_passes_every_place_to_stay() -> None:
    assert tuple(row.end for row in rows_from(Phase.PLANNED)) == UNTIL


def test_a_switch_that_was_cut_off_leads_where_a_whole_one_leads() -> None:
    assert rows_from(Phase.SWITCHING) == (next_row(Phase.SWITCHING), *rows_from(Phase.SWITCHED_OVER))


@pytest.mark.parametrize(
    ("application", "gates"),
    [
        (BARE, [Gate.ACCEPT, Gate.DECOMMISSION]),
        (replace(FULL, switches=()), [Gate.FREEZE, Gate.ACCEPT, Gate.DECOMMISSION]),
        (replace(FULL, freeze=None), [Gate.SWITCH_OVER, Gate.ACCEPT, Gate.DECOMMISSION]),
        (FULL, [Gate.FREEZE, Gate.SWITCH_OVER, Gate.ACCEPT, Gate.DECOMMISSION]),
    ],
)
def test_a_gate_stands_only_before_what_the_application_has(application: Application, gates: list[Gate]) -> None:
    on_the_way = [gate_of(row, application) for row in rows_from(Phase.PLANNED)]
    assert [gate for gate in on_the_way if gate is not None] == gates


def test_a_yes_in_passing_never_ends_a_soak_nor_retires_a_source() -> None:
    assert {Gate.FREEZE, Gate.SWITCH_OVER, Gate.ROLL_BACK, Gate.FALL_BACK} == COVERED_BY_YES


@pytest.mark.parametrize("phase", Phase)
def test_rolling_back_serves_from_the_freeze_to_the_verification(phase: Phase) -> None:
    row = way_back(phase)
    if phase in (Phase.SEEDED, Phase.FROZEN, Phase.SYNCED, Phase.VERIFIED):
        assert row is not None
        assert (row.end, row.gate) == (Phase.SEEDED, Gate.ROLL_BACK)
        assert gate_of(row, BARE) is Gate.ROLL_BACK, "also where nothing has to be thawed"
    else:
        assert row is None


def test_going_back_always_repeats_the_copy_and_its_proof() -> None:
    places = {row.back for row in FORWARD if row.back is not None} | set(AGAIN.values())
    assert places == {Phase.FROZEN}
    assert [row.step for row in rows_from(Phase.FROZEN)][:3] == ["final-sync", "verify", "switch-over"]


def test_only_what_writes_at_the_target_needs_its_lock() -> None:
    assert [row.step for row in FORWARD if row.writes] == ["preflight", "seed", "final-sync"]
    assert not any(row.writes for row in ROLL_BACK)


def test_every_step_has_a_file_of_its_own() -> None:
    steps = Path(__file__).resolve().parents[2] / "migrator" / "steps"
    names = {row.step.replace("-", "_") for row in FORWARD} - {"decommission"}  # not carried out yet
    assert names <= {path.stem for path in steps.glob("*.py")}
