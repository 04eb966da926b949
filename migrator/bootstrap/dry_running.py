"""What `run --dry-run` says: of each item what would be done, asked of the plan, the state and the endpoints alone."""

from __future__ import annotations

from pathlib import Path

from migrator.bootstrap.commands import RunOptions
from migrator.bootstrap.preview import Looking, look_ahead
from migrator.bootstrap.selection import Selection, named, the_wave
from migrator.domain.events import Event
from migrator.domain.phases import COVERED_BY_YES
from migrator.domain.plan import Plan
from migrator.domain.prospects import Prospect
from migrator.domain.reports import PlanReport
from migrator.journal.application import ApplicationView
from migrator.journal.folder import StateFolder
from migrator.journal.journal import Journal
from migrator.orchestration.gates import Question, bound_to, demand_of, opened_by
from migrator.planning.prospects import prospects as prospects_of


def dry_run(
    plan: Plan, selection: Selection, options: RunOptions, state: Path
) -> tuple[PlanReport, tuple[Prospect, ...]]:
    """What `run` with the same options would do, all in all and item by item; changes nothing anywhere."""
    wave, applications = the_wave(plan, selection)
    looking = Looking(plan, state, is_offline=False, on_event=_nobody_listens, until=options.until)
    report = look_ahead(looking, [(wave, applications)], adopt=options.adopt)
    folder = StateFolder(state, plan.migration)
    gates = _GatesNow(plan, folder, Journal.view(folder), says_yes=options.yes)
    return report, tuple(prospects_of(report, gates.is_open))


def _nobody_listens(event: Event) -> None:
    """A dry run is quick enough without a word in between."""


class _GatesNow:
    """Which gates a run that began now would find open; takes in and records no approval."""

    def __init__(self, plan: Plan, folder: StateFolder, journal: Journal | None, *, says_yes: bool) -> None:
        self._plan = plan
        self._folder = folder
        self._journal = journal
        self._says_yes = says_yes

    def is_open(self, name: str, gate: str) -> bool:
        """Whether the gate of that application is approved, or `--yes` says all that it takes."""
        application = named(self._plan.applications, name, "the plan has no application named")
        demand = demand_of(self._plan, application, gate)
        if self._says_yes and gate in COVERED_BY_YES and not demand.words:
            return True
        view = ApplicationView.open(self._folder, name)
        if self._journal is None or view is None:
            return False
        with view:
            question = Question(self._plan, application, gate, view.used_approvals(), lambda: bound_to(gate, view))
            return opened_by(question, self._journal) is not None
