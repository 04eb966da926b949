"""`migrator demo`: try the tool with nothing installed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from migrator.cli.session import Session
from migrator.domain.events import OnEvent
from migrator.domain.phases import Phase
from migrator.domain.reports import PlanReport, WaveReport


@dataclass(frozen=True, slots=True)
class Staying:
    """What the demo leaves behind."""

    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Work in this folder, and leave everything there.")
    ] = None


def demo(session: Session, staying: Staying) -> int:
    """Take a small wave through all phases. Against a provider of our own, on the loopback."""
    from migrator.demo.demo import run_demo

    with session.screen.progress() as progress:
        report = run_demo(_Commands(), staying.keep, progress.say, progress)
    session.screen.wave(report)
    return report.exit_code


class _Commands:
    """What the demo types, carried out as the commands of the same names do it."""

    def plan(self, plan_file: Path, state: Path, on_event: OnEvent) -> PlanReport:
        from migrator import bootstrap

        plan = bootstrap.load(plan_file)
        return bootstrap.preview(plan, bootstrap.Selection(), bootstrap.PreviewOptions(), state, on_event)

    def run(self, plan_file: Path, state: Path, on_event: OnEvent, *, until: Phase | None, yes: bool) -> WaveReport:
        from migrator import bootstrap

        options = bootstrap.RunOptions(until=until, yes=yes)
        return bootstrap.run(bootstrap.load(plan_file), bootstrap.Selection(), options, state, on_event)

    def verify(self, plan_file: Path, state: Path, on_event: OnEvent) -> WaveReport:
        from migrator import bootstrap

        plan = bootstrap.load(plan_file)
        return bootstrap.verify(plan, bootstrap.Selection(), full=True, state=state, on_event=on_event)

    def accept(self, plan_file: Path, state: Path, on_event: OnEvent) -> WaveReport:
        from migrator import bootstrap

        return bootstrap.accept(bootstrap.load(plan_file), bootstrap.Selection(), state=state, on_event=on_event)
