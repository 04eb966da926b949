"""What happens during a run, as facts handed to one callable; console, JSON stream and tests are listeners.

Each event names itself (`event`), as the JSON stream prints it. Events about items are sent only after the commit
that records them is durable.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from migrator.domain.entries import Class, Kind
from migrator.domain.phases import Gate, Phase
from migrator.domain.reports import Moment


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The lock is held and work begins."""

    event: ClassVar[str] = "run.started"
    run_id: str
    command: str
    wave: str | None
    applications: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The last event of every run."""

    event: ClassVar[str] = "run.ended"
    run_id: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class StepStarted:
    """An attempt at one step of one application was recorded and begins."""

    event: ClassVar[str] = "step.started"
    application: str
    step: str
    frozen_at: dt.datetime | None = None  # since when people wait: writes are stopped, and users not yet switched over


@dataclass(frozen=True, slots=True)
class StepEnded:
    """The attempt ended; `phase` is where the application stands now, `error` is None when it succeeded."""

    event: ClassVar[str] = "step.ended"
    application: str
    step: str
    phase: Phase
    seconds: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class GateWaiting:
    """The application stops before a gate without approval."""

    event: ClassVar[str] = "gate.waiting"
    application: str
    gate: Gate
    sentence: str  # what it waits for, for people


@dataclass(frozen=True, slots=True)
class ScanProgress:
    """How far a scan is; the last one of a scan has `ended`."""

    event: ClassVar[str] = "scan.progress"
    application: str
    dataset: str
    items: int  # seen so far
    size_bytes: int  # of files, seen so far
    ended: bool


@dataclass(frozen=True, slots=True)
class WorkFound:
    """Items a pass (or a verification) has to carry (or read), as they become known: to be added up."""

    event: ClassVar[str] = "work.found"
    application: str
    dataset: str
    items: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BytesMoved:
    """Content that was read or carried since the last such event, for the rate; not yet durable."""

    event: ClassVar[str] = "bytes.moved"
    application: str
    dataset: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ItemChanged:
    """One item reached a class; its commit is durable. Named `item.acknowledged`, `item.verified`, `item.failed` ..."""

    application: str
    dataset: str
    path: bytes
    kind: Kind
    size_bytes: int
    state: Class
    seq: int | None
    sha256: bytes | None = None
    reason: str | None = None

    @property
    def event(self) -> str:
        """The name in the JSON stream."""
        return f"item.{self.state.value}"


@dataclass(frozen=True, slots=True)
class ItemDeleted:
    """An item of ours that no longer exists at the source was removed from the target, under freeze."""

    event: ClassVar[str] = "item.deleted"
    application: str
    dataset: str
    path: bytes


@dataclass(frozen=True, slots=True)
class TargetChanged:
    """Something at the target is no longer as it was when users were sent there."""

    event: ClassVar[str] = "target.changed"
    application: str
    dataset: str
    path: bytes
    kind: Kind
    what: Literal["created", "changed", "deleted", "unknown"]
    size_bytes: int  # of a file as it is now; 0 for anything else, and for what is deleted
    reason: str | None = None  # why nothing can be said of it, where it is unknown


@dataclass(frozen=True, slots=True)
class TargetChanges:
    """All that changed at the target since users were sent there."""

    event: ClassVar[str] = "target.changes"
    application: str
    created: int
    changed: int
    deleted: int
    unknown: int
    size_bytes: int  # of the files created and changed
    digest: str  # of the whole list; an approval of their loss is bound to it


@dataclass(frozen=True, slots=True)
class EffectNoted:
    """A freeze or a switch was applied, probed or undone."""

    event: ClassVar[str] = "effect.noted"
    application: str
    effect: str  # "freeze", "switch 1 (symlink)"
    verb: Literal["apply", "probe", "undo"]
    answer: str  # "in place", "not in place", "half-way", "unknown", "done"


@dataclass(frozen=True, slots=True)
class CheckMade:
    """A smoke check was made; its outcome is recorded."""

    event: ClassVar[str] = "check.made"
    application: str
    check: str  # "check 1 (http)"
    moment: Moment
    has_passed: bool
    reason: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence for the operator: a warning, a retry, something left alone."""

    event: ClassVar[str] = "note"
    sentence: str
    application: str | None = None
    severity: Literal["note", "warning", "error"] = "note"


Event = (
    RunStarted
    | RunEnded
    | StepStarted
    | StepEnded
    | GateWaiting
    | ScanProgress
    | WorkFound
    | BytesMoved
    | ItemChanged
    | ItemDeleted
    | TargetChanged
    | TargetChanges
    | EffectNoted
    | CheckMade
    | Note
)
OnEvent = Callable[[Event], None]
