"""Saved plans: kept, held against the plan and the state as they are now, and compared with each other."""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from migrator import planfile
from migrator.bootstrap.selection import Selection
from migrator.bootstrap.session import operator
from migrator.domain.plan import Plan
from migrator.domain.reports import Finding, PlanReport
from migrator.domain.saved import SavedPlan
from migrator.errors import PlanInvalid, UsageError
from migrator.journal.application import ApplicationView
from migrator.journal.folder import StateFolder
from migrator.orchestration.holding import row_of, stale, stale_because

_STALE = "stale"


def load_saved(path: Path) -> SavedPlan:
    """The saved plan in the file at `path`; PlanInvalid for anything but a whole one."""
    return planfile.load_saved(path)


def saved_differences(old: SavedPlan, new: SavedPlan) -> tuple[str, ...]:
    """How two saved plans differ, a sentence each."""
    return planfile.saved_differences(old, new)


def saved_text(plan: Plan, report: PlanReport, rows: dict[str, int]) -> str:
    """The text of a file that keeps what `report` shows, bound to the `rows` that were read before it."""
    return planfile.text_of_saved(SavedPlan(dt.datetime.now(dt.UTC), operator(), report, rows, plan.content))


def rows_now(plan: Plan, state: Path) -> dict[str, int]:
    """How far the state of every application has been recorded."""
    return dict(_rows(plan, state))


def _rows(plan: Plan, state: Path) -> Iterator[tuple[str, int]]:
    folder = StateFolder(state, plan.migration)
    for application in plan.applications:
        view = ApplicationView.open(folder, application.name)
        if view is None:
            yield application.name, 0
            continue
        with view:
            yield application.name, row_of(view)


def shown_again(plan: Plan, path: Path, saved: SavedPlan, state: Path) -> PlanReport:
    """What was saved at `path`, with a warning for each reason why it no longer holds; contacts no host."""
    reasons = [
        Finding(_STALE, "warning", f"the saved plan no longer holds: {why}") for why in _stale(plan, saved, state)
    ]
    return replace(
        saved.report,
        findings=(*saved.report.findings, *reasons),
        exit_code=0,
        next_command=shlex.join(_next(plan, path, saved, is_stale=bool(reasons))),
    )


def _next(plan: Plan, path: Path, saved: SavedPlan, *, is_stale: bool) -> list[str]:
    if is_stale:
        return ["migrator", "plan", str(plan.path)]
    waves = dict.fromkeys(application.wave for application in saved.report.applications)
    choice = ["--wave", next(iter(waves))] if len(waves) > 1 else []
    return ["migrator", "run", str(plan.path), *choice, "--saved", str(path)]


def refuse_if_stale(plan: Plan, saved: SavedPlan, chosen: list[str], state: Path) -> None:
    """Return only when the saved plan holds for the chosen applications; PlanChanged, with all reasons, otherwise."""
    if reasons := list(_stale(plan, saved, state, chosen)):
        raise stale(reasons)


def selection_of(saved: SavedPlan, asked: Selection) -> Selection:
    """Which applications `run --saved` is about: what was asked for, else what was saved."""
    names = [application.name for application in saved.report.applications]
    waves = list(dict.fromkeys(application.wave for application in saved.report.applications))
    if asked != Selection():
        return asked
    if len(names) == 1:
        return Selection(application=names[0])
    return Selection(wave=waves[0]) if len(waves) == 1 else asked


def _stale(plan: Plan, saved: SavedPlan, state: Path, chosen: list[str] | None = None) -> Iterator[str]:
    if saved.report.migration != plan.migration:
        raise PlanInvalid(
            f"the saved plan is of the migration `{saved.report.migration}`, and the plan of `{plan.migration}`",
            hint="name the plan that it was saved from",
        )
    for change in planfile.differences(saved.content, plan.content):
        yield f"the plan changed: {change}"
    known = [application.name for application in saved.report.applications]
    folder = StateFolder(state, plan.migration)
    for name in known if chosen is None else chosen:
        if name not in known:
            raise UsageError(f"the saved plan says nothing of `{name}`", hint=f"it is about: {', '.join(known)}")
        view = ApplicationView.open(folder, name)
        if view is None:
            reason = stale_because(saved, name, None)
        else:
            with view:
                reason = stale_because(saved, name, view)
        if reason is not None:
            yield reason
