"""What commands bring back: plain facts, ready to be shown as a table or as JSON."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Literal

from migrator.domain.entries import Class
from migrator.domain.phases import Phase


@dataclass(frozen=True, slots=True)
class Tally:
    """How many items stand where; the counts add up to what the last scan saw (bytes count files)."""

    items: dict[Class, int] = field(default_factory=dict)
    size_bytes: dict[Class, int] = field(default_factory=dict)
    foreign: int = 0  # entries that exist only at the target, as the last verify listed them

    @property
    def seen(self) -> int:
        """All items of all classes."""
        return sum(self.items.values())

    def of(self, state: Class) -> int:
        """How many items stand in `state`."""
        return self.items.get(state, 0)

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            {state: self.of(state) + other.of(state) for state in Class},
            {state: self.size_bytes.get(state, 0) + other.size_bytes.get(state, 0) for state in Class},
            self.foreign + other.foreign,
        )


@dataclass(frozen=True, slots=True)
class Attempt:
    """One recorded try of one step."""

    step: str
    started_at: dt.datetime
    ended_at: dt.datetime | None  # None: it was cut off
    error: str | None
    run_id: str


@dataclass(frozen=True, slots=True)
class RehearsedStep:
    """How long one step of a rehearsal took."""

    step: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RecordedRehearsal:
    """A cutover that was carried out against a shadow target, and under which plan, versions and endpoints."""

    ended_at: dt.datetime
    plan_digest: str
    versions: str
    endpoints: str  # what was found of them, as text to compare
    steps: tuple[RehearsedStep, ...]
    error: str | None = None  # why it failed; then it holds for nothing


@dataclass(frozen=True, slots=True)
class RehearsalReport:
    """When an application was last rehearsed, how long each step took, and why that counts no longer."""

    ended_at: dt.datetime
    steps: tuple[RehearsedStep, ...]
    expired: str | None  # None: it still holds


@dataclass(frozen=True, slots=True)
class WaveTimes:
    """When a wave and its cutover are open, by the plan's calendar; None for a moment that does not come."""

    wave: str
    is_open: bool
    closes_at: dt.datetime | None
    opens_at: dt.datetime | None
    is_cutover_open: bool
    cutover_closes_at: dt.datetime | None
    cutover_opens_at: dt.datetime | None
    sentence: str  # all of it, for people


@dataclass(frozen=True, slots=True)
class CutoverLimit:
    """Until when the cutover that is open, or opens next, can begin, be switched over, and be given up."""

    ends_at: dt.datetime
    freeze_by: dt.datetime
    switch_by: dt.datetime
    abort_by: dt.datetime
    sentence: str  # for people


Moment = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """How one smoke check fared, before the first switch or after the last one."""

    name: str  # "check 1 (http)"
    moment: Moment
    has_passed: bool
    reason: str | None  # what was wrong at the last try, for people and already escaped; None when it passed
    seconds: float


@dataclass(frozen=True, slots=True)
class PutOff:
    """An item that was left to a later try, as a file is that changed while it was read."""

    dataset: str
    path: bytes
    tries: int  # since it was last copied
    reason: str  # of the latest try


@dataclass(frozen=True, slots=True)
class ApplicationReport:
    """Where one application stands, and what comes next."""

    name: str
    wave: str
    owner: str
    phase: Phase
    waits_for: str | None  # a sentence: "approval of gate `freeze`"; None when nothing holds it
    gate: str | None  # a Gate, or a name that the plan adds
    frozen_for_seconds: float | None
    last_attempt: Attempt | None
    tally: Tally
    exit_code: int = 0  # what this run or verify did with it
    error: str | None = None
    hint: str | None = None
    differences: tuple[str, ...] = ()  # named for people, already escaped; the first hundred
    checks: tuple[CheckOutcome, ...] = ()  # the latest of each moment
    cutover_limit: CutoverLimit | None = None  # None where no hours end the cutover
    rehearsal: RehearsalReport | None = None  # the latest
    put_off: tuple[PutOff, ...] = ()  # of what is pending, the most often first; the first hundred


@dataclass(frozen=True, slots=True)
class LiveLimit:
    """The bandwidth of an endpoint as an operator set it for the runs under way."""

    endpoint: str
    bytes_per_second: int | None  # None: no limit
    set_by: str
    set_at: dt.datetime

    @property
    def sentence(self) -> str:
        """For people."""
        rate = "any rate" if self.bytes_per_second is None else f"{self.bytes_per_second / 1e6:g} MB/s"
        return f"endpoint `{self.endpoint}`: {rate} until the runs under way have ended, set by {self.set_by}"


@dataclass(frozen=True, slots=True)
class WaveReport:
    """What a command did, application by application."""

    command: str
    applications: tuple[ApplicationReport, ...]
    exit_code: int
    next_command: str | None  # what to type next, complete
    limits: tuple[LiveLimit, ...] = ()  # that count while runs are under way
    times: tuple[WaveTimes, ...] = ()  # of waves whose time the plan limits


Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a preflight rule has to say."""

    rule: str  # "target-space"
    severity: Severity
    sentence: str
    hint: str | None = None
    application: str | None = None
    waived: str | None = None  # why the plan accepts it; a warning that is waived holds nobody up


@dataclass(frozen=True, slots=True)
class DatasetForecast:
    """What one pass over a dataset would carry, from a scan of now or, offline, unknown (None)."""

    name: str
    source: str
    target: str
    source_lane: str | None
    target_lane: str | None
    items: int | None
    size_bytes: int | None
    to_copy_items: int | None
    to_copy_bytes: int | None
    to_delete_items: int | None
    excluded_items: int | None


@dataclass(frozen=True, slots=True)
class PlannedApplication:
    """One row of `migrator plan`."""

    name: str
    wave: str
    owner: str
    phase: Phase
    datasets: tuple[DatasetForecast, ...]
    steps: tuple[str, ...]  # the steps that are left, gates included as "gate: freeze"
    cutover_limit: CutoverLimit | None = None  # None where no hours end the cutover


@dataclass(frozen=True, slots=True)
class PlanReport:
    """What `migrator plan` shows."""

    migration: str
    digest: str
    recorded_digest: str | None
    changes: tuple[str, ...]  # how the plan differs from the recorded one, in words
    applications: tuple[PlannedApplication, ...]  # in the order of their cutover
    findings: tuple[Finding, ...]
    is_offline: bool
    next_command: str | None
    exit_code: int = 0  # the most serious of what speaks against it
    times: tuple[WaveTimes, ...] = ()  # of waves whose time the plan limits

    @property
    def has_work(self) -> bool:
        """Whether anything is left to do; unknown counts as work."""
        return any(application.steps for application in self.applications)
