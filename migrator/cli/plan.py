"""`migrator plan`: what would be done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from migrator.cli.options import Chosen, PlanFile
from migrator.cli.papers import hand_out
from migrator.cli.session import Session
from migrator.domain.plan import Plan
from migrator.domain.reports import PlanReport
from migrator.errors import MigratorError, UsageError

if TYPE_CHECKING:
    from migrator.bootstrap import Selection

# `--detailed-exitcode`: there is work to do.
_WORK_TO_DO = 12
# What may stand beside an option that shows something else than the tables.
_FITTING = {
    "--graph": ("--offline", "--wave", "--application"),
    "--saved": ("--detailed-exitcode",),
    "--format": ("--accept-changes", "--detailed-exitcode", "--offline", "--wave", "--application"),
}


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
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Save it, too: `run --saved FILE` carries out exactly that.")
    ] = None
    saved: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Show what was saved there, and whether it still holds.")
    ] = None
    compare: Annotated[
        Path | None, typer.Option(metavar="OLDER", help="With `--saved`: how that differs from an older saved plan.")
    ] = None
    graph: Annotated[
        Literal["mermaid", "dot"] | None,
        typer.Option("--graph", help="Draw waves, applications and what they need; contact no host."),
    ] = None


def plan(session: Session, plan: PlanFile, chosen: Chosen, looking: Looking, showing: Showing) -> int:
    """Show what would be done: checks, volumes, order, gates. Changes nothing at the endpoints."""
    from migrator import bootstrap

    _refuse_what_does_not_fit(chosen, looking, showing)
    selection = bootstrap.Selection(chosen.wave, chosen.application)
    if showing.graph is not None:
        session.screen.page("plan.graph", bootstrap.graph(bootstrap.load(plan), selection, showing.graph))
        return 0
    if showing.format is not None:
        return _for_ci(session, plan, selection, looking, showing.format)
    loaded = bootstrap.load(plan)
    if showing.saved is not None:
        report = _show_saved(session, loaded, showing.saved, showing.compare)
        return _exit_code(report, looking)
    # Read before the look: what is recorded meanwhile makes what was saved stale.
    rows = {} if showing.out is None else bootstrap.rows_now(loaded, session.state)
    report = _look(session, loaded, selection, looking)
    session.screen.plan(report)
    if showing.out is not None:
        hand_out(session, bootstrap.saved_text(loaded, report, rows), showing.out, "plan.saved")
    return _exit_code(report, looking)


def _look(session: Session, plan: Plan, selection: Selection, looking: Looking) -> PlanReport:
    from migrator import bootstrap

    options = bootstrap.PreviewOptions(offline=looking.offline, accept_changes=looking.accept_changes)
    with session.screen.progress() as progress:
        return bootstrap.preview(plan, selection, options, session.state, progress)


def _show_saved(session: Session, plan: Plan, path: Path, older: Path | None) -> PlanReport:
    from migrator import bootstrap

    saved = bootstrap.load_saved(path)
    report = bootstrap.shown_again(plan, path, saved, session.state)
    if older is None:
        session.screen.plan(report)
        return report
    for sentence in bootstrap.saved_differences(bootstrap.load_saved(older), saved) or ("nothing differs",):
        session.screen.fact("plan.difference", {"sentence": sentence}, sentence)
    return report


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
    _tell_errors(session, report)
    return _exit_code(report, looking)


def _tell_errors(session: Session, report: PlanReport) -> None:
    """Say on stderr what is the reason for the exit code: the review may have gone to a file."""
    with session.screen.progress() as progress:
        for finding in report.findings:
            if finding.severity == "error":
                progress.say(f"error: {finding.sentence}")
                if finding.hint is not None:
                    progress.say(f"hint: {finding.hint}")


def _refuse_what_does_not_fit(chosen: Chosen, looking: Looking, showing: Showing) -> None:
    """Raise UsageError where one option would make another say nothing."""
    if showing.compare is not None and showing.saved is None:
        raise UsageError("`--compare` belongs to `--saved`", hint="`--saved NEWER --compare OLDER` compares the two")
    if showing.out is not None and looking.offline:
        raise UsageError("a saved plan is bound to what was found and to the state", hint="leave `--offline` out")
    given = {
        "--graph": showing.graph is not None,
        "--saved": showing.saved is not None,
        "--format": showing.format is not None,
        "--out": showing.out is not None,
        "--accept-changes": looking.accept_changes,
        "--detailed-exitcode": looking.detailed_exitcode,
        "--offline": looking.offline,
        "--wave": chosen.wave is not None,
        "--application": chosen.application is not None,
    }
    for leading, fitting in _FITTING.items():
        for option, is_given in given.items():
            if given[leading] and is_given and option not in (leading, *fitting):
                raise UsageError(f"`{option}` says nothing beside `{leading}`", hint="leave one of them out")
