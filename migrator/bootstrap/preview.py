"""What `plan` and `run --dry-run` show: looked up at the endpoints and in the journal, nothing changed at either."""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from migrator.bootstrap.session import demand_on, operator
from migrator.domain.entries import Entry, Unreadable, display
from migrator.domain.events import Note, OnEvent, ScanProgress
from migrator.domain.filters import Filter
from migrator.domain.phases import Phase
from migrator.domain.plan import Application, Dataset, Plan, Wave
from migrator.domain.reports import DatasetForecast, Finding, PlannedApplication, PlanReport
from migrator.domain.stopping import utc_now
from migrator.errors import MigratorError, Refused, exit_code_of, most_serious
from migrator.journal.application import ApplicationJournal, ApplicationView
from migrator.journal.folder import StateFolder
from migrator.journal.journal import Journal
from migrator.journal.manifest import Scan
from migrator.journal.working_copy import working_copy
from migrator.movers.budget import Budgets
from migrator.orchestration.itinerary import gates_of, rows_from
from migrator.orchestration.replanning import refuse_to_forget, would_start_again
from migrator.orchestration.reporting import known_of, times_of_waves
from migrator.orchestration.times import limit_at
from migrator.planfile import differences
from migrator.planning.order import by_needs
from migrator.planning.preflight import Facts, examine
from migrator.planning.timing import Measures
from migrator.steps.hosts import Hosts
from migrator.steps.preflight import strangers
from migrator.steps.records import record_findings
from migrator.steps.scene import may_give_away
from migrator.switching.readiness import lacking

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
    for wave, some in chosen:
        for application in by_needs(some):
            preview = _Preview(looking, wave, application, adopt=adopt)
            applications.append(preview.look())
            findings += preview.findings
            codes.append(preview.exit_code)
    has_work = any(application.steps for application in applications)
    wave_option = f" --wave {chosen[0][0].name}" if len(plan.waves) > 1 else ""
    return PlanReport(
        migration=plan.migration,
        digest=plan.digest,
        recorded_digest=recorded.digest if recorded else None,
        changes=differences(recorded.content, plan.content) if recorded and recorded.digest != plan.digest else (),
        applications=tuple(applications),
        findings=tuple(findings),
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

    def __init__(self, looking: Looking, wave: Wave, application: Application, *, adopt: bool) -> None:
        self._looking = looking
        self._wave = wave
        self._application = application
        self._adopt = adopt
        self._folder = StateFolder(looking.state, looking.plan.migration)
        self.findings: list[Finding] = []
        self.exit_code = 0

    def look(self) -> PlannedApplication:
        """One row of the plan; what speaks against it is left in `findings`."""
        phase, known = self._standing()
        for finding in lacking(self._application):
            self._find(finding)
        for waiver in self._application.waivers:
            sentence = f"`{waiver.dataset}/{display(waiver.path)}` may stay behind unverified: {waiver.reason}"
            self._find(Finding("waiver", "warning", sentence, None, self._application.name))
        datasets = tuple(self._forecast(dataset, phase) for dataset in self._application.datasets)
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

    def _steps(self, phase: Phase) -> Iterator[str]:
        # Without a goal, the end is where users are: retiring the source is an act of its own, often months later.
        until = self._looking.until or Phase.ACCEPTED
        for row in rows_from(phase):
            if row.start.is_at_least(until):
                return
            for gate in gates_of(row, self._application):
                yield f"gate: {gate}"
            yield row.step

    def _forecast(self, dataset: Dataset, phase: Phase) -> DatasetForecast:
        unknown = DatasetForecast(
            dataset.name, str(dataset.source), str(dataset.target), None, None, None, None, None, None, None, None
        )
        if self._looking.is_offline:
            return unknown
        try:
            return self._look_at(dataset, phase, unknown)
        except MigratorError as error:
            # Without the dataset: an endpoint that fails many of them is told once, for all its applications.
            self._tell("endpoint", error)
            return unknown

    def _look_at_records(self, phase: Phase) -> None:
        if phase.is_at_least(Phase.SWITCHED_OVER):
            return
        try:
            for finding in record_findings(self._application, is_offline=self._looking.is_offline):
                self._find(finding)
        except MigratorError as error:
            self._tell("dns-server", error)

    def _tell(self, rule: str, error: MigratorError) -> None:
        self.exit_code = most_serious([self.exit_code, exit_code_of(error)])
        self.findings.append(Finding(rule, "error", str(error), error.hint, self._application.name))

    def _look_at(self, dataset: Dataset, phase: Phase, unknown: DatasetForecast) -> DatasetForecast:
        plan = self._looking.plan
        specs = {spec.name: spec for spec in plan.endpoints}
        with ExitStack() as stack:
            # Both sides are open at once, and nobody else is there.
            own = {name: spec.limits.connections for name, spec in specs.items()}
            hosts = Hosts(specs, Budgets(specs, own))
            stack.callback(hosts.close)
            journal = stack.enter_context(working_copy(self._folder, self._application.name))
            guard = journal.manifest(dataset.name).begin_guard() if journal is not None else None
            source = stack.enter_context(hosts.source(dataset.source))
            counted = self._count(dataset, source.scan(), guard)
            key = journal.temp_key if journal is not None else secrets.token_bytes(32)
            target = stack.enter_context(hosts.target(dataset.target, key))
            is_there = target.stat(b"") is not None
            forecast = replace(
                unknown,
                source_lane=source.abilities.lane,
                target_lane=target.abilities.lane,
                items=counted.items,
                size_bytes=counted.size_bytes,
                to_copy_items=counted.to_copy_items,
                to_copy_bytes=counted.to_copy_bytes,
                to_delete_items=counted.gone,
                excluded_items=counted.excluded,
            )
            known = journal.manifest(dataset.name).knows if journal is not None else _knows_nothing
            facts = Facts(
                application=self._application.name,
                dataset=dataset,
                source=source.abilities,
                target=target.abilities,
                may_set_owner=may_give_away(plan.endpoint(dataset.target.endpoint)),
                strangers=strangers(target, known) if is_there and phase is Phase.PLANNED else (),
                is_adopting=self._adopt,
                space=target.space() if is_there else None,
                to_copy_bytes=counted.to_copy_bytes,
                to_copy_items=counted.to_copy_items,
            )
            for finding in examine(facts):
                self._find(finding)
            return forecast

    def _count(self, dataset: Dataset, blocks: Iterator[Sequence[Entry | Unreadable]], guard: Scan | None) -> _Counted:
        rules = Filter(dataset.exclude, self._application.waived_in(dataset.name))
        items = size_bytes = excluded = 0
        for block in blocks:
            inside, outside = rules.split([each for each in block if isinstance(each, Entry)])
            inside, waived = rules.waive(inside)
            unreadable = [each for each in block if isinstance(each, Unreadable) and not rules.hides(each.path)]
            for place in unreadable:
                sentence = f"dataset `{dataset.name}`: cannot read `{display(place.path)}`: {place.reason}"
                self._find(Finding("unreadable", "error", sentence, "mend it or exclude it", self._application.name))
            if guard is not None:
                guard.note(inside)
                guard.exclude([*outside, *waived])
                guard.unreadable(unreadable)
            items += len(inside)
            size_bytes += sum(entry.size for entry in inside)
            excluded += len(outside) + len(waived)
            name = self._application.name
            self._looking.on_event(ScanProgress(name, dataset.name, items + excluded, size_bytes, ended=False))
        self._looking.on_event(
            ScanProgress(self._application.name, dataset.name, items + excluded, size_bytes, ended=True)
        )
        if guard is None:
            return _Counted(items, size_bytes, excluded, items, size_bytes, 0)
        guard.end()
        delta = guard.delta()
        return _Counted(items, size_bytes, excluded, delta.items, delta.size_bytes, delta.gone)

    def _find(self, finding: Finding) -> None:
        if finding.severity == "error":
            self.exit_code = most_serious([self.exit_code, Refused.exit_code])
        self.findings.append(finding)


def _knows_nothing(paths: Sequence[bytes]) -> frozenset[bytes]:
    """Before the first run, nothing at the target is ours."""
    return frozenset[bytes]().intersection(paths)


@dataclass(frozen=True)
class _Counted:
    """What a scan saw, and what a pass would carry of it."""

    items: int
    size_bytes: int
    excluded: int
    to_copy_items: int
    to_copy_bytes: int
    gone: int
