"""One invocation that holds the locks: what it opens, in which order, and that all of it is closed again."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from migrator import failpoints
from migrator.bootstrap.live_limits import holding_rates
from migrator.bootstrap.signals import stopping
from migrator.domain.events import Note, OnEvent, RunEnded, RunStarted
from migrator.domain.phases import Gate, Phase
from migrator.domain.plan import Application, Plan, Wave
from migrator.domain.reports import ApplicationReport, WaveReport
from migrator.domain.saved import SavedPlan
from migrator.domain.stopping import Curfew, Stop
from migrator.domain.versions import versions
from migrator.endpoints.opening import names_on_the_way
from migrator.errors import MigratorError, PlanChanged, exit_code_of
from migrator.journal.application import ApplicationJournal, ApplicationView
from migrator.journal.folder import StateFolder
from migrator.journal.journal import Journal
from migrator.movers.budget import Budgets
from migrator.movers.pool import MoverPool
from migrator.orchestration.gates import Gates
from migrator.orchestration.holding import hold_to
from migrator.orchestration.journey import Halt, Journey
from migrator.orchestration.rehearsal import begin_again
from migrator.orchestration.replanning import go_by
from migrator.orchestration.reporting import report_on, sum_up, with_outcome
from migrator.orchestration.wave import Convoy
from migrator.orchestration.window import Watch
from migrator.planfile import differences
from migrator.planning.connections import Demand, Shares
from migrator.planning.rehearsed import why_expired
from migrator.planning.rules.accepting import accepted
from migrator.planning.rules.looked import Looked
from migrator.planning.timing import HISTORY, Measures, measures
from migrator.steps.hosts import Hosts
from migrator.steps.preflight import note_of
from migrator.steps.rehearsal import endpoint_facts
from migrator.steps.scene import Scene


@dataclass
class Session:
    """A run under way. `open_session` makes it."""

    plan: Plan
    folder: StateFolder
    journal: Journal
    gates: Gates
    pool: MoverPool
    budgets: Budgets
    shares: Shares
    run_id: str
    on_event: OnEvent
    stop: Stop
    until: Phase | None = None
    adopt: bool = False
    is_rehearsal: bool = False
    saved: SavedPlan | None = None  # to which the run is held
    looked: Looked = field(default_factory=Looked)
    exit_code: int = 0  # how the command fared, for the record of the run

    def travel(
        self, wave: Wave, applications: Sequence[Application], act: Callable[[Journey], Halt | None]
    ) -> list[ApplicationReport]:
        """Have every application do `act`; where each stands afterwards."""
        side_by_side = self.shares.side_by_side[wave.name]
        convoy = Convoy(self.plan, wave, self._set_out, self.phase_of, self.stop, side_by_side)
        outcomes = convoy.travel(applications, act)
        for outcome in outcomes:
            if outcome.error is not None and not isinstance(outcome.error, MigratorError):
                raise outcome.error  # a bug: told with its traceback, once the other applications are through
        return [with_outcome(self.report_on(outcome.application), outcome) for outcome in outcomes]

    def sum_up(self, command: str, reports: Sequence[ApplicationReport]) -> WaveReport:
        """All applications together; what the run's record says of how it ended."""
        failpoints.at("outcome")
        report = sum_up(self.plan, command, reports)
        self.exit_code = report.exit_code
        return report

    def phase_of(self, name: str) -> Phase:
        """Where an application stands, as recorded."""
        view = ApplicationView.open(self.folder, name)
        if view is None:
            return Phase.PLANNED
        with view:
            return view.phase

    def report_on(self, application: Application) -> ApplicationReport:
        """Where an application stands, for people."""
        return look_at(self.plan, application, self.folder, self.journal)

    @property
    def _workplace(self) -> StateFolder:
        """Where the applications of this session keep what they do."""
        return self.folder.rehearsal if self.is_rehearsal else self.folder

    def _measures(self, scene: Scene) -> Measures:
        """How long steps are known to take; a rehearsal counts while it holds, for which the endpoints are asked."""
        last = self.journal.last_rehearsal(scene.application.name)
        attempts = scene.journal.attempts(HISTORY)
        if last is None or why_expired(last, self.plan.digest, versions(), endpoint_facts(scene)) is not None:
            return measures(attempts, None)
        return measures(attempts, last)

    @contextmanager
    def _set_out(self, application: Application, needs_met: Callable[[], str | None]) -> Iterator[Journey]:
        with ExitStack() as stack:
            journal = ApplicationJournal.open(self._workplace, application.name)
            stack.callback(journal.close)
            if self.is_rehearsal:
                begin_again(journal)
            hold_to(self.saved, journal)
            go_by(journal, self.plan, application)
            curfew = Curfew(self.stop)
            hosts = Hosts({spec.name: spec for spec in self.plan.endpoints}, self.budgets, curfew.check)
            stack.callback(hosts.close)
            scene = Scene(
                self.plan,
                application,
                journal,
                hosts,
                self.pool,
                self.on_event,
                curfew,
                holder=self.journal.holder,
                adopt=self.adopt,
                looked=self.looked,
            )
            stack.callback(scene.let_go)
            watch = Watch(self.plan, application, curfew, lambda: self._measures(scene), self.on_event)
            yield Journey(scene, self.gates, self.run_id, self.until, needs_met, watch)


@contextmanager
def open_session(  # noqa: PLR0913 - what a command may say, all of it by name
    plan: Plan,
    state: Path,
    command: str,
    chosen: Sequence[tuple[Wave, Sequence[Application]]],
    on_event: OnEvent,
    *,
    granted: frozenset[Gate] = frozenset(),
    until: Phase | None = None,
    adopt: bool = False,
    is_rehearsal: bool = False,
    saved: SavedPlan | None = None,
) -> Iterator[Session]:
    """Open the state, see that the plan is the recorded one, note the run; close everything and note how it ended.

    Raises PlanChanged, LocalFault.
    """
    folder = StateFolder(state, plan.migration)
    folder.create()
    journal = Journal.open(folder)
    _refuse_a_changed_plan(plan, journal)
    run_id = journal.begin_run(command, plan.digest, versions())
    specs = {spec.name: spec for spec in plan.endpoints}
    demand = demand_on(plan, chosen)
    shares = demand.shares(os.cpu_count() or 1)
    budgets = Budgets(specs, shares.own, folder.door, lambda words: on_event(Note(words, None, "warning")))
    pool, stop = MoverPool(shares.movers, specs, budgets), Stop()
    gates = Gates(plan, journal, operator(), granted)
    names = tuple(application.name for _, applications in chosen for application in applications)
    session = Session(
        plan,
        folder,
        journal,
        gates,
        pool,
        budgets,
        shares,
        run_id,
        on_event,
        stop,
        until=until,
        adopt=adopt,
        is_rehearsal=is_rehearsal,
        saved=saved,
    )
    # Signals are caught before the run says that it began, and until it has said how it ended.
    with stopping(stop, pool.ask_to_stop, pool.shutdown, on_event):
        on_event(RunStarted(run_id, command, chosen[0][0].name if len(chosen) == 1 else None, names))
        try:
            with holding_rates(plan, folder, budgets, on_event):
                for finding in accepted(plan, demand.findings()):
                    on_event(note_of(finding))
                if (fails := failpoints.what_fails()) is not None:
                    sentence = f"{failpoints.VARIABLE} is set: this run fails on purpose ({fails})"
                    on_event(Note(sentence, None, "warning"))
                yield session
        except BaseException as error:
            session.exit_code = exit_code_of(error)
            raise
        finally:
            pool.shutdown()
            journal.end_run(run_id, session.exit_code)
            on_event(RunEnded(run_id, session.exit_code))


def look_at(plan: Plan, application: Application, folder: StateFolder, journal: Journal | None) -> ApplicationReport:
    """Where an application stands, from the journal alone; takes no lock."""
    view = ApplicationView.open(folder, application.name)
    if view is None:
        return report_on(plan, application, None, journal)
    with view:
        return report_on(plan, application, view, journal)


def operator() -> str:
    """Who types: the name that approvals carry."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no name is known for this number
        return f"uid {os.getuid()}"


def demand_on(plan: Plan, chosen: Sequence[tuple[Wave, Sequence[Application]]]) -> Demand:
    """What a run of these applications asks of the plan's endpoints."""
    specs = {spec.name: spec for spec in plan.endpoints}
    return Demand(specs, chosen, lambda name: names_on_the_way(specs[name], specs))


def _refuse_a_changed_plan(plan: Plan, journal: Journal) -> None:
    recorded = journal.recorded_plan()
    if recorded is None:
        journal.record_plan(plan.digest, plan.content, operator())
    elif recorded.digest != plan.digest:
        changes = differences(recorded.content, plan.content)
        raise PlanChanged(
            f"the plan changed since it was recorded: {'; '.join(changes)}",
            hint=f"look at it with `migrator plan {plan.path}`, then record it with `--accept-changes`",
        )
