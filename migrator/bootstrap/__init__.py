"""The only place that builds real objects and joins them: one function a command, called by the command line."""

from migrator.bootstrap.approving import Asked, approve, request, take_in
from migrator.bootstrap.commands import (
    PreviewOptions,
    RunOptions,
    accept,
    doctor,
    export,
    fail_points,
    fall_back,
    graph,
    load,
    preview,
    roll_back,
    rules,
    run,
    schema,
    status,
    verify,
)
from migrator.bootstrap.decommissioning import ClosePapers, decommission
from migrator.bootstrap.drafting import Answers, Wanted, draft_from_answers, draft_from_inventory
from migrator.bootstrap.dry_running import dry_run
from migrator.bootstrap.limiting import limit
from migrator.bootstrap.rehearsing import rehearse
from migrator.bootstrap.reviewing import review, review_of_failure
from migrator.bootstrap.runbook import runbook
from migrator.bootstrap.saving import load_saved, rows_now, saved_differences, saved_text, shown_again
from migrator.bootstrap.selection import Selection

__all__ = [
    "Answers",
    "Asked",
    "ClosePapers",
    "PreviewOptions",
    "RunOptions",
    "Selection",
    "Wanted",
    "accept",
    "approve",
    "decommission",
    "doctor",
    "draft_from_answers",
    "draft_from_inventory",
    "dry_run",
    "export",
    "fail_points",
    "fall_back",
    "graph",
    "limit",
    "load",
    "load_saved",
    "preview",
    "rehearse",
    "request",
    "review",
    "review_of_failure",
    "roll_back",
    "rows_now",
    "rules",
    "run",
    "runbook",
    "saved_differences",
    "saved_text",
    "schema",
    "shown_again",
    "status",
    "take_in",
    "verify",
]
