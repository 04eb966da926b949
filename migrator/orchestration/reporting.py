"""What is told after a run, and by `status`: where each application stands, what it waits for, what to type next."""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Iterable
from dataclasses import replace

from migrator.domain.entries import Class
from migrator.domain.phases import Gate, Phase
from migrator.domain.plan import Application, Plan
from migrator.domain.reports import ApplicationReport, RecordedRehearsal, Tally, WaveReport, WaveTimes
from migrator.domain.versions import versions
from migrator.errors import EndpointUnavailable, MigratorError, exit_code_of, most_serious
from migrator.journal.application import ApplicationView
from migrator.journal.journal import Journal
from migrator.orchestration.gates import Question, bound_to, demand_of, opened_by
from migrator.orchestration.itinerary import gates_of, next_row, soaking
from migrator.orchestration.times import closed_until, limit_at, times_of
from migrator.orchestration.wave import Outcome
from migrator.planning.rehearsed import report_of, why_expired
from migrator.planning.timing import HISTORY, Measures, measures
from migrator.steps.fall_back import is_going_back
from migrator.steps.smoke_checks import recorded_checks

FALL_BACK_UNFINISHED = "its fall back to be finished"


def report_on(
    plan: Plan, application: Application, view: ApplicationView | None, journal: Journal | None
) -> ApplicationReport:
    """Where one application stands, from the journal alone."""
    now, wave = dt.datetime.now(dt.UTC), plan.wave_of(application.name)
    phase = view.phase if view is not None else Phase.PLANNED
    soak = soaking(application, view.reached_at(phase)) if view is not None and phase is Phase.SWITCHED_OVER else None
    gate = closed_gate(plan, application, view, journal) if soak is None else None
    attempts = view.attempts(1) if view is not None else []
    rehearsal = journal.last_rehearsal(application.name) if journal is not None else None
    tally = view.tally() if view is not None else Tally()
    return ApplicationReport(
        name=application.name,
        wave=wave.name,
        owner=application.owner,
        phase=phase,
        waits_for=soak or _what_it_waits_for(plan, application, gate, view, now),
        gate=gate,
        frozen_for_seconds=None if view is None else _frozen_for_seconds(view, phase),
        last_attempt=attempts[0] if attempts else None,
        tally=tally,
        checks=recorded_checks(view) if view is not None else (),
        cutover_limit=limit_at(plan, application, phase, known_of(plan, view, rehearsal), now),
        rehearsal=report_of(rehearsal, plan.digest, versions()),
        put_off=tuple(view.put_off()) if view is not None and tally.of(Class.PENDING) else (),
    )


def _what_it_waits_for(
    plan: Plan, application: Application, gate: str | None, view: ApplicationView | None, now: dt.datetime
) -> str | None:
    phase = view.phase if view is not None else Phase.PLANNED
    if view is not None and phase is Phase.SWITCHING and is_going_back(view):
        return FALL_BACK_UNFINISHED
    if gate is None:
        return closed_until(plan, plan.wave_of(application.name), phase, now)
    return f"approval of gate `{gate}`{demand_of(plan, application, gate).words}"


def known_of(plan: Plan, view: ApplicationView | None, rehearsal: RecordedRehearsal | None) -> Measures:
    """How long an application's steps are known to take; its endpoints are not asked whether they changed."""
    holds = rehearsal is not None and why_expired(rehearsal, plan.digest, versions(), endpoints=None) is None
    return measures([] if view is None else view.attempts(HISTORY), rehearsal if holds else None)


def _frozen_for_seconds(view: ApplicationView, phase: Phase) -> float | None:
    """How long people have waited; before `frozen` it is a freeze of which nobody knows that it is not in place."""
    if phase.is_at_least(Phase.ACCEPTED):
        return None
    frozen_at = view.frozen_at if phase.is_at_least(Phase.FROZEN) else view.freeze_begun_at
    return None if frozen_at is None else (dt.datetime.now(dt.UTC) - frozen_at).total_seconds()


def closed_gate(
    plan: Plan, application: Application, view: ApplicationView | None, journal: Journal | None
) -> str | None:
    """The gate right before which the application stands, when nobody has approved it yet; of several the first."""
    phase = view.phase if view is not None else Phase.PLANNED
    row = next_row(phase)
    if row is None or journal is None or view is None or phase is Phase.SWITCHING:
        return None

    def is_open(gate: str) -> bool:
        question = Question(plan, application, gate, view.used_approvals(), lambda: bound_to(gate, view))
        return opened_by(question, journal) is not None

    return next((gate for gate in gates_of(row, application) if not is_open(gate)), None)


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
    return WaveReport(
        command,
        reports,
        most_serious(each.exit_code for each in reports),
        _next(plan, command, reports),
        times=times_of_waves(plan, (each.wave for each in reports)),
    )


def times_of_waves(plan: Plan, names: Iterable[str]) -> tuple[WaveTimes, ...]:
    """When these waves are open, for those whose time the plan limits."""
    now = dt.datetime.now(dt.UTC)
    found = (times_of(plan, plan.wave(name), now) for name in dict.fromkeys(names))
    return tuple(times for times in found if times is not None)


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
        if report.gate == Gate.ACCEPT:
            return f"migrator accept {path}{wave}"
        return f"migrator approve {path} {report.gate}{wave}"
    return None
