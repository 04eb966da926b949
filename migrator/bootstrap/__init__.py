"""The only place that builds real objects and joins them: one function a command, called by the command line."""

from migrator.bootstrap.approving import Asked, approve, request, take_in
from migrator.bootstrap.commands import (
    PreviewOptions,
    RunOptions,
    accept,
    doctor,
    dry_run,
    export,
    fail_points,
    fall_back,
    load,
    preview,
    roll_back,
    run,
    schema,
    status,
    verify,
)
from migrator.bootstrap.decommissioning import ClosePapers, decommission
from migrator.bootstrap.limiting import limit
from migrator.bootstrap.rehearsing import rehearse
from migrator.bootstrap.selection import Selection

__all__ = [
    "Asked",
    "ClosePapers",
    "PreviewOptions",
    "RunOptions",
    "Selection",
    "accept",
    "approve",
    "decommission",
    "doctor",
    "dry_run",
    "export",
    "fail_points",
    "fall_back",
    "limit",
    "load",
    "preview",
    "rehearse",
    "request",
    "roll_back",
    "run",
    "schema",
    "status",
    "take_in",
    "verify",
]
