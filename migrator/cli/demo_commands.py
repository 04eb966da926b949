"""What the demo types, carried out as the commands do it. Imports all of migrator, so only the demo imports it."""

from __future__ import annotations

from pathlib import Path

from migrator import bootstrap
from migrator.domain.events import OnEvent
from migrator.domain.phases import Phase
from migrator.domain.reports import PlanReport, WaveReport

_ALL = bootstrap.Selection()


class DemoCommands:
    """The commands, each with the plan read anew, as if typed one after the other."""

    def plan(self, plan_file: Path, state: Path, on_event: OnEvent) -> PlanReport:
        """`migrator plan PLAN`."""
        return bootstrap.preview(bootstrap.load(plan_file), _ALL, bootstrap.PreviewOptions(), state, on_event)

    def run(self, plan_file: Path, state: Path, on_event: OnEvent, *, until: Phase | None, yes: bool) -> WaveReport:
        """`migrator run PLAN [--until PHASE] [--yes]`."""
        options = bootstrap.RunOptions(until=until, yes=yes)
        return bootstrap.run(bootstrap.load(plan_file), _ALL, options, state, on_event)

    def verify(self, plan_file: Path, state: Path, on_event: OnEvent) -> WaveReport:
        """`migrator verify PLAN --full`."""
        return bootstrap.verify(bootstrap.load(plan_file), _ALL, full=True, state=state, on_event=on_event)

    def accept(self, plan_file: Path, state: Path, on_event: OnEvent) -> WaveReport:
        """`migrator accept PLAN`."""
        return bootstrap.accept(bootstrap.load(plan_file), _ALL, state=state, on_event=on_event)
