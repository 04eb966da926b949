"""`migrator plan`: what would be done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from migrator.cli.options import Chosen, PlanFile
from migrator.cli.session import Session
from migrator.domain.plan import Plan
from migrator.domain.reports import PlanReport
from migrator.errors import MigratorError, UsageError

if TYPE_CHECKING:
    from migrator.bootstrap import Selection

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


@dataclass(frozen=True, slots=True)
class Showing:
    """What `plan` shows instead of its tables."""

    format: Annotated[
        Literal["github", "gitlab", "junit"] | None,
        typer.Option("--format", help="Print what is wrong for a CI service, with line numbers."),
    ] = None
    graph: Annotated[
        Literal["mermaid", "dot"] | None,
        typer.Option("--graph", help="Draw waves, applications and what they need; contact no host."),
    ] = None


def plan(session: Session, plan: PlanFile, chosen: Chosen, looking: Looking, showing: Showing) -> int:
    """Show what would be done: checks, volumes, order, gates. Changes nothing at the endpoints."""
    from migrator import bootstrap

    _refuse_what_does_not_fit(looking, showing)
    selection = bootstrap.Selection(chosen.wave, chosen.application)
    if showing.graph is not None:
        session.screen.page("plan.graph", bootstrap.graph(bootstrap.load(plan), selection, showing.graph))
        return 0
    if showing.format is not None:
        return _for_ci(session, plan, selection, looking, showing.format)
    report = _look(session, bootstrap.load(plan), selection, looking)
    session.screen.plan(report)
    return _exit_code(report, looking)


def _look(session: Session, plan: Plan, selection: Selection, looking: Looking) -> PlanReport:
    from migrator import bootstrap

    options = bootstrap.PreviewOptions(offline=looking.offline, accept_changes=looking.accept_changes)
    with session.screen.progress() as progress:
        return bootstrap.preview(plan, selection, options, session.state, progress)


def _exit_code(report: PlanReport, looking: Looking) -> int:
    return _WORK_TO_DO if report.exit_code == 0 and looking.detailed_exitcode and report.has_work else report.exit_code


def _for_ci(
    session: Session, path: Path, selection: Selection, looking: Looking, form: Literal["github", "gitlab", "junit"]
) -> int:
    """Print the review even where the plan is not valid: a CI service shows what is in the file, not the exit code."""
    from migrator import bootstrap
    from migrator.console.annotations import as_text

    try:
        report = _look(session, bootstrap.load(path), selection, looking)
    except UsageError:
        raise
    except MigratorError as error:
        session.screen.page("plan.review", as_text(bootstrap.review_of_failure(path, error), form))
        raise
    if text := as_text(bootstrap.review(path, report), form):
        session.screen.page("plan.review", text)
    return _exit_code(report, looking)


def _refuse_what_does_not_fit(looking: Looking, showing: Showing) -> None:
    """Raise UsageError where one option would make another say nothing."""
    if showing.graph is None:
        return
    others = {
        "--accept-changes": looking.accept_changes,
        "--detailed-exitcode": looking.detailed_exitcode,
        "--format": showing.format is not None,
    }
    for option, is_given in others.items():
        if is_given:
            raise UsageError(f"`--graph` only draws: {option} says nothing there", hint="leave one of them out")
