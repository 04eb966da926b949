"""`migrator plan`: what would be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from migrator.cli.options import Chosen, PlanFile
from migrator.cli.session import Session

# `--detailed-exitcode`: there is work to do.
_WORK_TO_DO = 12


@dataclass(frozen=True, slots=True)
class Looking:
    """How `plan` looks."""

    offline: Annotated[bool, typer.Option("--offline", help="Contact no host; neither read nor create state.")] = False
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Record the changed plan as the one that is agreed.")
    ] = False
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 12 when there is work to do.")
    ] = False


def plan(session: Session, plan: PlanFile, chosen: Chosen, looking: Looking) -> int:
    """Show what would be done: checks, volumes, order, gates. Changes nothing at the endpoints."""
    from migrator import bootstrap

    loaded = bootstrap.load(plan)
    selection = bootstrap.Selection(chosen.wave, chosen.application)
    options = bootstrap.PreviewOptions(offline=looking.offline, accept_changes=looking.accept_changes)
    with session.screen.progress() as progress:
        report = bootstrap.preview(loaded, selection, options, session.state, progress)
    session.screen.plan(report)
    if report.exit_code == 0 and looking.detailed_exitcode and report.has_work:
        return _WORK_TO_DO
    return report.exit_code
