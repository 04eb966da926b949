"""What each command does, from a plan to a report; the command line parses before and shows afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from migrator import planfile
from migrator.bootstrap.keeping_fresh import end_of_window, travel_until
from migrator.bootstrap.preview import Looking, accept_changes, look_ahead
from migrator.bootstrap.saving import refuse_if_stale, selection_of
from migrator.bootstrap.selection import Selection, every_wave, the_wave
from migrator.bootstrap.session import Session, look_at, open_session
from migrator.domain.entries import Class, Item
from migrator.domain.events import Note, OnEvent
from migrator.domain.phases import COVERED_BY_YES, Gate, Phase
from migrator.domain.plan import Application, Plan
from migrator.domain.reports import ApplicationReport, Finding, PlanReport, WaveReport
from migrator.domain.rules import RULES, Rule
from migrator.domain.saved import SavedPlan
from migrator.domain.turning import turned_round
from migrator.errors import UsageError
from migrator.failpoints.points import POINTS
from migrator.journal.application import ApplicationView
from migrator.journal.folder import StateFolder
from migrator.journal.journal import Journal
from migrator.journal.limits import is_run_under_way, live_limits
from migrator.orchestration.journey import Halt, Journey
from migrator.orchestration.reporting import sum_up
from migrator.planning.doctor import examine
from migrator.planning.graph import dot, mermaid

_INCOMPLETE = 3


@dataclass(frozen=True)
class RunOptions:
    """How far `run` goes, and what its operator says in advance."""

    until: Phase | None = None
    yes: bool = False
    adopt: bool = False
    saved: SavedPlan | None = None  # carry out exactly this
    until_window_ends: bool = False


@dataclass(frozen=True)
class PreviewOptions:
    """What `plan` may do beside looking."""

    offline: bool = False
    accept_changes: bool = False


def load(path: Path) -> Plan:
    """The plan in the file at `path`; PlanInvalid with every complaint at once."""
    return planfile.load(path)


def schema() -> dict[str, object]:
    """The JSON Schema of plans."""
    return planfile.schema()


def rules() -> tuple[Rule, ...]:
    """The preflight rules, in order."""
    return RULES


def doctor(state: Path) -> list[Finding]:
    """What this machine lacks."""
    return list(examine(state))


def fail_points() -> Mapping[str, str]:
    """The moments at which a test can have things fail, each with where it lies."""
    return POINTS


def run(plan: Plan, selection: Selection, options: RunOptions, state: Path, on_event: OnEvent) -> WaveReport:
    """Take a wave along its itinerary, or go on with it."""
    if options.saved is not None:
        selection = selection_of(options.saved, selection)
    wave, applications = the_wave(plan, selection)
    if options.saved is not None:
        refuse_if_stale(plan, options.saved, [application.name for application in applications], state)
    ends_at = end_of_window(plan, wave) if options.until_window_ends else None
    granted = COVERED_BY_YES if options.yes else frozenset[Gate]()
    with open_session(
        plan,
        state,
        "run",
        [(wave, applications)],
        on_event,
        granted=granted,
        until=options.until,
        adopt=options.adopt,
        saved=options.saved,
    ) as session:
        if ends_at is not None:
            reports = travel_until(session, wave, applications, ends_at)
        else:
            reports = session.travel(wave, applications, Journey.advance)
        return session.sum_up("run", [_judged(report) for report in reports])


def roll_back(plan: Plan, selection: Selection, *, yes: bool, state: Path, on_event: OnEvent) -> WaveReport:
    """Thaw what is frozen and go back to `seeded`."""
    wave, applications = the_wave(plan, selection)
    granted = frozenset({Gate.ROLL_BACK}) if yes else frozenset[Gate]()

    def act(journey: Journey) -> Halt | None:
        journey.roll_back()
        return None

    with open_session(plan, state, "roll-back", [(wave, applications)], on_event, granted=granted) as session:
        return session.sum_up("roll-back", session.travel(wave, applications, act))


def fall_back(
    plan: Plan, selection: Selection, *, yes: bool, accepts_loss: bool, state: Path, on_event: OnEvent
) -> WaveReport:
    """Go back after the switch: bring what users wrote home, undo the switches, thaw."""
    wave, applications = the_wave(plan, selection)
    granted = frozenset({Gate.FALL_BACK, Gate.ACCEPT_LOSS}) if yes else frozenset[Gate]()

    def act(journey: Journey) -> Halt | None:
        journey.fall_back(accepts_loss=accepts_loss)
        return None

    # What it asks of the endpoints is asked the other way round.
    chosen = [(wave, tuple(turned_round(application) for application in applications))]
    with open_session(plan, state, "fall-back", chosen, on_event, granted=granted) as session:
        _warn_of_those_left_behind(session, applications)
        return session.sum_up("fall-back", session.travel(wave, applications, act))


def _warn_of_those_left_behind(session: Session, applications: Sequence[Application]) -> None:
    """Tell which applications stay at the target although one that they need goes back."""
    going = {application.name for application in applications}
    for other in session.plan.applications:
        needed = going.intersection(other.needs)
        if other.name not in going and needed and session.phase_of(other.name).is_at_least(Phase.SWITCHING):
            names = ", ".join(f"`{name}`" for name in sorted(needed))
            session.on_event(Note(f"needs {names}, and stays at the target: see that it can", other.name, "warning"))


def accept(plan: Plan, selection: Selection, *, state: Path, on_event: OnEvent) -> WaveReport:
    """End the soak: the target is the truth. This command is itself the approval."""
    wave, applications = the_wave(plan, selection)
    granted = frozenset({Gate.ACCEPT})

    with open_session(
        plan, state, "accept", [(wave, applications)], on_event, granted=granted, until=Phase.ACCEPTED
    ) as session:
        return session.sum_up("accept", session.travel(wave, applications, Journey.accept))


def verify(plan: Plan, selection: Selection, *, full: bool, state: Path, on_event: OnEvent) -> WaveReport:
    """Read again and compare: the target with its recorded digests, or both sides as they are now."""
    chosen = every_wave(plan, selection)

    def act(journey: Journey) -> Halt | None:
        journey.verify(both_sides=full)
        return None

    with open_session(plan, state, "verify", chosen, on_event) as session:
        reports = [report for wave, applications in chosen for report in session.travel(wave, applications, act)]
        return session.sum_up("verify", [_judged(report) for report in reports])


def preview(plan: Plan, selection: Selection, options: PreviewOptions, state: Path, on_event: OnEvent) -> PlanReport:
    """What would be done."""
    chosen = every_wave(plan, selection)
    if options.accept_changes:
        if options.offline:
            raise UsageError("`--accept-changes` writes to the state", hint="leave `--offline` out")
        accept_changes(plan, state, on_event)
    return look_ahead(Looking(plan, state, options.offline, on_event), chosen)


def graph(plan: Plan, selection: Selection, language: Literal["mermaid", "dot"]) -> str:
    """The waves, their applications and what they need, as a drawing in that language."""
    draw = mermaid if language == "mermaid" else dot
    return draw(plan, every_wave(plan, selection))


def status(plan: Plan, state: Path) -> WaveReport:
    """Where every application stands, what it waits for, what to type next; takes no lock."""
    folder = StateFolder(state, plan.migration)
    journal = Journal.view(folder)
    reports = [look_at(plan, application, folder, journal) for application in plan.applications]
    limits = live_limits(folder) if is_run_under_way(folder) else []
    return replace(sum_up(plan, "status", reports), limits=tuple(limits))


def export(plan: Plan, state: Path) -> Iterator[tuple[str, Item]]:
    """Every item of every application, with its application; takes no lock."""
    folder = StateFolder(state, plan.migration)
    for application in plan.applications:
        view = ApplicationView.open(folder, application.name)
        if view is None:
            continue
        with view:
            for item in view.items():
                yield application.name, item


def _judged(report: ApplicationReport) -> ApplicationReport:
    """The report, with the exit code for failed items and, at or beyond `verified`, for any that is not proven."""
    if report.exit_code:
        return report
    failed = report.tally.of(Class.FAILED)
    unproven = failed + report.tally.of(Class.PENDING) + report.tally.of(Class.ACKNOWLEDGED)
    if not (unproven if report.phase.is_at_least(Phase.VERIFIED) else failed):
        return report
    error = f"{failed} items failed" if failed else f"{unproven} items are not verified"
    return replace(report, exit_code=_INCOMPLETE, error=error, hint="`migrator export` lists every item")
