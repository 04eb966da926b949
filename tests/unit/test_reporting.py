"""What is told after a command: the gate that is waited for, the code of the most serious, and what to type next."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from migrator import planfile
from migrator.domain.phases import Gate, Phase
from migrator.domain.plan import Plan
from migrator.domain.reports import ApplicationReport
from migrator.errors import EndpointUnavailable, Incomplete, Interrupted, LocalFault, PlanChanged, Refused, SafetyStop
from migrator.journal.application import ApplicationJournal, ApplicationView
from migrator.journal.folder import StateFolder
from migrator.journal.journal import Journal
from migrator.orchestration.gates import new_approval
from migrator.orchestration.journey import Halt
from migrator.orchestration.reporting import report_on, sum_up, with_outcome
from migrator.orchestration.wave import Outcome
from tests.support.plans import application, flag_freeze, link_switch, local, write_plan


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    keys = {"freeze": flag_freeze(tmp_path / "frozen"), "switch": [link_switch(tmp_path / "link", tmp_path)]}
    some = [application(name, f"old:{tmp_path}/{name}", f"new:{tmp_path}/to-{name}", **keys) for name in ("a", "b")]
    return planfile.load(write_plan(tmp_path / "my plan.yaml", {"old": local(), "new": local()}, *some))


@pytest.fixture
def state(plan: Plan, tmp_path: Path) -> StateFolder:
    folder = StateFolder(tmp_path / "state", plan.migration)
    Journal.open(folder)
    return folder


def stand(state: StateFolder, phase: Phase) -> None:
    with ApplicationJournal.open(state, "a") as journal:
        if phase.is_at_least(Phase.FROZEN):
            journal.move(Phase.FROZEN, "for the test")
        journal.move(phase, "for the test")


def report(plan: Plan, state: StateFolder) -> ApplicationReport:
    view = ApplicationView.open(state, "a")
    assert view is not None
    with view:
        return report_on(plan, plan.applications[0], view, Journal.view(state))


@pytest.mark.parametrize(
    ("phase", "gate", "is_frozen", "command"),
    [
        (Phase.PLANNED, None, False, "run"),
        (Phase.SEEDED, Gate.FREEZE, False, "approve"),
        (Phase.SYNCED, None, True, "run"),
        (Phase.VERIFIED, Gate.SWITCH_OVER, True, "approve"),
        (Phase.SWITCHING, None, True, "run"),
        (Phase.SWITCHED_OVER, Gate.ACCEPT, True, "accept"),
    ],
)
def test_each_phase_tells_its_gate_its_freeze_and_what_to_type(
    phase: Phase, gate: Gate | None, is_frozen: bool, command: str, plan: Plan, state: StateFolder
) -> None:
    stand(state, phase)
    told = report(plan, state)
    assert (told.phase, told.gate) == (phase, gate)
    assert (told.frozen_for_seconds is not None) == is_frozen
    path = f"'{plan.path}'"  # it has a space
    wanted = f"migrator approve {path} {gate}" if command == "approve" else f"migrator {command} {path}"
    assert sum_up(plan, "status", [told]).next_command == wanted


def test_what_nobody_began_stands_at_its_beginning(plan: Plan) -> None:
    told = report_on(plan, plan.applications[0], None, None)
    assert (told.phase, told.gate, told.last_attempt, told.tally.seen) == (Phase.PLANNED, None, None, 0)


def test_an_approval_that_holds_opens_the_gate_and_another_does_not(plan: Plan, state: StateFolder) -> None:
    stand(state, Phase.SEEDED)
    (first, second), journal = plan.applications, Journal.open(state)
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    journal.approve(new_approval(plan, Gate.FREEZE, second, "Ada"))
    journal.approve(new_approval(plan, Gate.SWITCH_OVER, first, "Ada"))
    journal.approve(new_approval(replace(plan, digest="0"), Gate.FREEZE, first, "Ada"))
    journal.approve(new_approval(plan, Gate.FREEZE, first, "Ada", (None, yesterday)))
    assert report(plan, state).gate is Gate.FREEZE
    journal.approve(new_approval(plan, Gate.FREEZE, first, "Ada"))
    assert report(plan, state).gate is None


def test_an_error_is_told_with_its_way_out_and_what_it_is_about(plan: Plan, state: StateFolder) -> None:
    stand(state, Phase.FROZEN)
    error = Incomplete("1 items failed", hint="mend it", details=("a: denied",))
    told = with_outcome(report(plan, state), Outcome(plan.applications[0], error=error))
    assert (told.exit_code, told.error, told.hint, told.differences) == (3, "1 items failed", "mend it", ("a: denied",))
    assert sum_up(plan, "run", [told]).next_command == f"migrator run '{plan.path}'"


def test_a_halt_is_no_error(plan: Plan, state: StateFolder) -> None:
    stand(state, Phase.SEEDED)
    halt = Halt("waits for the approval of gate `freeze`", Gate.FREEZE)
    told = with_outcome(report(plan, state), Outcome(plan.applications[0], halt=halt))
    assert (told.exit_code, told.waits_for, told.gate) == (0, "approval of gate `freeze`", Gate.FREEZE)


def test_the_most_serious_code_speaks_for_all(plan: Plan) -> None:
    standing = report_on(plan, plan.applications[0], None, None)
    errors = [
        Incomplete(""),
        Refused(""),
        EndpointUnavailable(""),
        PlanChanged(""),
        LocalFault(""),
        SafetyStop(""),
        Interrupted(15),
        Interrupted(2),
    ]
    reports = []
    for error in errors:  # from the least serious on, each outdoes all before it
        reports.append(with_outcome(standing, Outcome(plan.applications[0], error=error)))
        assert sum_up(plan, "run", reports).exit_code == reports[-1].exit_code


def test_at_the_end_there_is_nothing_to_type(plan: Plan, state: StateFolder) -> None:
    stand(state, Phase.ACCEPTED)
    assert sum_up(plan, "status", [report(plan, state)]).next_command is None
