"""What `plan` and `run --dry-run` show: looked up at the endpoints and in the journal, nothing changed at either."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from migrator.bootstrap.session import demand_on, operator
from migrator.domain.events import Note, OnEvent
from migrator.domain.phases import Phase
from migrator.domain.plan import Application, Dataset, Plan, Wave
from migrator.domain.reports import DatasetForecast, Finding, PlannedApplication, PlanReport
from migrator.domain.stopping import utc_now
from migrator.errors import MigratorError, Refused, exit_code_of, most_serious
from migrator.journal.application import ApplicationJournal, ApplicationView
from migrator.journal.folder import StateFolder
from migrator.journal.journal import Journal
from migrator.journal.working_copy import working_copy
from migrator.movers.budget import Budgets
from migrator.orchestration.itinerary import gates_of, rows_from
from migrator.orchestration.replanning import refuse_to_forget, would_start_again
from migrator.orchestration.reporting import known_of, times_of_waves
from migrator.orchestration.times import limit_at
from migrator.planfile import differences
from migrator.planning.order import by_needs
from migrator.planning.rules import needs_open, no_look, waiver
from migrator.planning.rules.accepting import accepted
from migrator.planning.rules.looked import Looked
from migrator.planning.rules.registry import examine_together
from migrator.planning.timing import Measures
from migrator.steps.hosts import Hosts
from migrator.steps.looking import Look, Looker
from migrator.steps.records import NO_SERVER, record_findings
from migrator.steps.scene import host_at
from migrator.switching.readiness import lacking, unready

Chosen = Sequence[tuple[Wave, Sequence[Application]]]


@dataclass(frozen=True)
class Looking:
    """How one preview looks; `is_offline` contacts no host and leaves the state alone."""

    plan: Plan
    state: Path
    is_offline: bool
    on_event: OnEvent
    until: Phase | None = None


def look_ahead(looking: Looking, chosen: Chosen, *, adopt: bool = False) -> PlanReport:
    """What a run would do, application by application, and everything that speaks against it."""
    plan = looking.plan
    recorded = None
    if not looking.is_offline:
        journal = Journal.view(StateFolder(looking.state, plan.migration))
        recorded = journal.recorded_plan() if journal is not None else None
    applications: list[PlannedApplication] = []
    findings: list[Finding] = list(demand_on(plan, chosen).findings())
    codes: list[int] = []
    looked = Looked()
    for wave, some in chosen:
        for application in by_needs(some):
            preview = _Preview(looking, wave, application, looked, adopt=adopt)
            applications.append(preview.look())
            findings += preview.findings
            codes.append(preview.exit_code)
    together = examine_together(looked.everything)
    findings += together
    codes += [Refused.exit_code for finding in together if finding.severity == "error"]
    has_work = any(application.steps for application in applications)
    wave_option = f" --wave {chosen[0][0].name}" if len(plan.waves) > 1 else ""
    return PlanReport(
        migration=plan.migration,
        digest=plan.digest,
        recorded_digest=recorded.digest if recorded else None,
        changes=differences(recorded.content, plan.content) if recorded and recorded.digest != plan.digest else (),
        applications=tuple(applications),
        findings=tuple(accepted(plan, findings)),
        is_offline=looking.is_offline,
        next_command=f"migrator run {shlex.quote(str(plan.path))}{wave_option}" if has_work else None,
        exit_code=most_serious(codes),
        times=times_of_waves(plan, (wave.name for wave, _ in chosen)),
    )


def accept_changes(plan: Plan, state: Path, on_event: OnEvent) -> None:
    """Record the plan as it is now as the agreed one, and tell which applications start again because of it.

    Raises PlanChanged when an application is too far along for its change, Held when one is being worked on.
    """
    folder = StateFolder(state, plan.migration)
    folder.create()
    with ExitStack() as locks:
        # All of them are locked and asked before anything is recorded, so that a refusal leaves everything as it was.
        journals = [
            (application, locks.enter_context(ApplicationJournal.open(folder, application.name)))
            for application in plan.applications
            if application.name in folder.application_names()
        ]
        for name in set(folder.application_names()) - {application.name for application in plan.applications}:
            refuse_to_forget(locks.enter_context(ApplicationJournal.open(folder, name)), plan, name, None)
        again = [application.name for application, each in journals if would_start_again(each, plan, application)]
        Journal.open(folder).record_plan(plan.digest, plan.content, operator())
    for name in again:
        on_event(Note("its datasets changed: it starts again from `planned` with the next run", name, "warning"))


class _Preview:
    """The look at one application."""

    def __init__(self, looking: Looking, wave: Wave, application: Application, looked: Looked, *, adopt: bool) -> None:
        self._looking = looking
        self._wave = wave
        self._application = application
        self._looked = looked
        self._adopt = adopt
        self._folder = StateFolder(looking.state, looking.plan.migration)
        self.findings: list[Finding] = []
        self.exit_code = 0

    def look(self) -> PlannedApplication:
        """One row of the plan; what speaks against it is left in `findings`."""
        phase, known = self._standing()
        self._find(waiver.about(self._application))
        if self._looking.is_offline:
            self._find(lacking(self._application))
            datasets = tuple(_forecast(dataset, None) for dataset in self._application.datasets)
        else:
            self._find(needs_open.about(self._looking.plan, self._application, self._phase_of))
            datasets = tuple(self._look_at_hosts(phase))
        self._look_at_records(phase)
        return PlannedApplication(
            name=self._application.name,
            wave=self._wave.name,
            owner=self._application.owner,
            phase=phase,
            datasets=datasets,
            steps=tuple(self._steps(phase)),
            cutover_limit=limit_at(self._looking.plan, self._application, phase, known, utc_now()),
        )

    def _standing(self) -> tuple[Phase, Measures]:
        view = None if self._looking.is_offline else ApplicationView.open(self._folder, self._application.name)
        journal = None if self._looking.is_offline else Journal.view(self._folder)
        rehearsal = None if journal is None else journal.last_rehearsal(self._application.name)
        if view is None:
            return Phase.PLANNED, known_of(self._looking.plan, None, rehearsal)
        with view:
            return view.phase, known_of(self._looking.plan, view, rehearsal)

    def _phase_of(self, application: str) -> Phase:
        view = ApplicationView.open(self._folder, application)
        if view is None:
            return Phase.PLANNED
        with view:
            return view.phase

    def _steps(self, phase: Phase) -> Iterator[str]:
        # Without a goal, the end is where users are: retiring the source is an act of its own, often months later.
        until = self._looking.until or Phase.ACCEPTED
        for row in rows_from(phase):
            if row.start.is_at_least(until):
                return
            for gate in gates_of(row, self._application):
                yield f"gate: {gate}"
            yield row.step

    def _look_at_hosts(self, phase: Phase) -> Iterator[DatasetForecast]:
        """The datasets with what is known of them now; what could not be looked at stays unknown, and is told."""
        application = self._application
        with ExitStack() as stack:
            journal = stack.enter_context(working_copy(self._folder, application.name))
            looker = self._looker(stack, journal)
            for dataset in application.datasets:
                manifest = None if journal is None else journal.manifest(dataset.name)
                try:
                    look = looker.look(dataset, manifest, is_first=phase is Phase.PLANNED)
                except MigratorError as error:
                    # Without the dataset: an endpoint that fails many of them is told once, for all its applications.
                    self._tell(no_look.about(error, application.name), error)
                    yield _forecast(dataset, None)
                else:
                    self._find(look.findings)
                    yield _forecast(dataset, look)
            self._find(unready(application, partial(host_at, application, looker.hosts), phase))

    def _looker(self, stack: ExitStack, journal: ApplicationJournal | None) -> Looker:
        """What looks at the hosts; closed with `stack`."""
        plan = self._looking.plan
        specs = {spec.name: spec for spec in plan.endpoints}
        # Nobody else is there.
        hosts = Hosts(specs, Budgets(specs, {name: spec.limits.connections for name, spec in specs.items()}))
        stack.callback(hosts.close)
        key = journal.temp_key if journal is not None else secrets.token_bytes(32)
        return Looker(
            plan,
            self._application,
            hosts,
            self._looked,
            self._looking.on_event,
            open_source=lambda dataset: hosts.source(dataset.source),
            open_target=lambda dataset: hosts.target(dataset.target, key),
            temp_key=key,
            is_adopting=self._adopt,
        )

    def _look_at_records(self, phase: Phase) -> None:
        if phase.is_at_least(Phase.SWITCHED_OVER):
            return
        try:
            self._find(record_findings(self._application, is_offline=self._looking.is_offline))
        except MigratorError as error:
            self._tell(NO_SERVER.finds(str(error), error.hint, self._application.name), error)

    def _tell(self, finding: Finding, error: MigratorError) -> None:
        self.exit_code = most_serious([self.exit_code, exit_code_of(error)])
        self.findings.append(finding)

    def _find(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            if finding.severity == "error":
                self.exit_code = most_serious([self.exit_code, Refused.exit_code])
            self.findings.append(finding)


def _forecast(dataset: Dataset, look: Look | None) -> DatasetForecast:
    """What a pass would carry; nothing is known without a look."""
    source, target = str(dataset.source), str(dataset.target)
    if look is None:
        return DatasetForecast(dataset.name, source, target, None, None, None, None, None, None, None, None)
    volumes = look.volumes
    return DatasetForecast(
        name=dataset.name,
        source=source,
        target=target,
        source_lane=look.facts.source.lane,
        target_lane=look.facts.target.lane,
        items=volumes.items,
        size_bytes=volumes.size_bytes,
        to_copy_items=volumes.to_copy_items,
        to_copy_bytes=volumes.to_copy_bytes,
        to_delete_items=volumes.gone,
        excluded_items=volumes.excluded,
    )
