"""What is told after a run, and by `status`: where each application stands, what it waits for, what to type next."""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Iterable
from dataclasses import replace

from migrator.domain.phases import COVERED_BY_YES, Gate, Phase
from migrator.domain.plan import Application, Plan
from migrator.domain.reports import ApplicationReport, Tally, WaveReport
from migrator.errors import EndpointUnavailable, MigratorError, exit_code_of, most_serious
from migrator.journal.application import ApplicationView
from migrator.journal.journal import Journal
from migrator.orchestration.gates import Question, bound_to, demand_of, opened_by
from migrator.orchestration.itinerary import gate_of, next_row
from migrator.orchestration.wave import Outcome
from migrator.steps.fall_back import is_going_back
from migrator.steps.smoke_checks import recorded_checks

FALL_BACK_UNFINISHED = "its fall back to be finished"


def report_on(
    plan: Plan, application: Application, view: ApplicationView | None, journal: Journal | None
) -> ApplicationReport:
    """Where one application stands, from the journal alone."""
    phase = view.phase if view is not None else Phase.PLANNED
    gate = closed_gate(plan, application, view, journal)
    frozen_at = view.frozen_at if view is not None else None
    frozen_for = None
    if frozen_at is not None and phase.is_at_least(Phase.FROZEN) and not phase.is_at_least(Phase.ACCEPTED):
        frozen_for = (dt.datetime.now(dt.UTC) - frozen_at).total_seconds()
    attempts = view.attempts(1) if view is not None else []
    return ApplicationReport(
        name=application.name,
        wave=plan.wave_of(application.name).name,
        owner=application.owner,
        phase=phase,
        waits_for=_what_it_waits_for(plan, application, gate, view),
        gate=gate,
        frozen_for_seconds=frozen_for,
        last_attempt=attempts[0] if attempts else None,
        tally=view.tally() if view is not None else Tally(),
        checks=recorded_checks(view) if view is not None else (),
    )


def _what_it_waits_for(
    plan: Plan, application: Application, gate: Gate | None, view: ApplicationView | None
) -> str | None:
    if view is not None and view.phase is Phase.SWITCHING and is_going_back(view):
        return FALL_BACK_UNFINISHED
    return None if gate is None else f"approval of gate `{gate}`{demand_of(plan, application, gate).words}"


def closed_gate(
    plan: Plan, application: Application, view: ApplicationView | None, journal: Journal | None
) -> Gate | None:
    """The gate right before which the application stands, when nobody has approved it yet."""
    phase = view.phase if view is not None else Phase.PLANNED
    row = next_row(phase)
    gate = gate_of(row, application) if row is not None else None
    if gate is None or journal is None or view is None or phase is Phase.SWITCHING:
        return None
    question = Question(plan, application, gate, view.used_approvals(), lambda: bound_to(gate, view))
    return gate if opened_by(question, journal) is None else None


def with_outcome(report: ApplicationReport, outcome: Outcome) -> ApplicationReport:
    """The report, and how the command that was just carried out fared with the application."""
    error, halt = outcome.error, outcome.halt
    if halt is not None:
        report = replace(report, waits_for=halt.sentence.removeprefix("waits for the "), gate=halt.gate)
    if error is None:
        return report
    return replace(
        report,
        exit_code=exit_code_of(error),
        error=str(error) or type(error).__name__,
        hint=error.hint if isinstance(error, MigratorError) else None,
        differences=error.details if isinstance(error, MigratorError) else (),
    )


def sum_up(plan: Plan, command: str, applications: Iterable[ApplicationReport]) -> WaveReport:
    """All applications together, with the most serious exit code and the next command."""
    reports = tuple(applications)
    return WaveReport(command, reports, most_serious(each.exit_code for each in reports), _next(plan, command, reports))


def _next(plan: Plan, command: str, reports: tuple[ApplicationReport, ...]) -> str | None:
    """What to type next: for the first application that is not at its end."""
    path = shlex.quote(str(plan.path))
    for report in reports:
        if report.phase.is_at_least(Phase.ACCEPTED):
            continue
        wave = f" --wave {report.wave}" if len(plan.waves) > 1 else ""
        if report.waits_for == FALL_BACK_UNFINISHED or (command == "fall-back" and report.error is not None):
            return f"migrator fall-back {path}{wave}"
        if report.exit_code == EndpointUnavailable.exit_code and command == "verify":
            return f"migrator verify {path}{wave}"
        if report.gate is None or (report.error is not None and command in ("run", "verify")):
            return f"migrator run {path}{wave}"
        if report.gate in COVERED_BY_YES:
            return f"migrator approve {path} {report.gate}{wave}"
        return f"migrator accept {path}{wave}"
    return None
