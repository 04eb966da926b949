"""What the events add up to: one gauge an application, read by whoever draws it."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from migrator.console.estimate import Pace, Range, Rate, Sample, time_left
from migrator.domain.entries import Class
from migrator.domain.events import (
    BytesMoved,
    CutoverLimited,
    EffectNoted,
    Event,
    ItemChanged,
    ScanProgress,
    StepEnded,
    StepStarted,
    WorkFound,
)
from migrator.domain.phases import Phase

# The classes with which a pass is through with an item.
_SETTLED = frozenset({Class.ACKNOWLEDGED, Class.VERIFIED, Class.FAILED, Class.VANISHED})
# The phases in which people wait for the cutover to end; afterwards they work at the target.
_UNDER_FREEZE = frozenset({Phase.FROZEN, Phase.SYNCED, Phase.VERIFIED, Phase.SWITCHING})


@dataclass(slots=True)
class Gauge:
    """One application's step in progress, since when it is frozen (monotonic seconds), until when it can go back."""

    step: str | None = None
    started: float = 0.0
    frozen_since: float | None = None
    abort_by: dt.datetime | None = None
    scans: dict[str, ScanProgress] = field(default_factory=dict)
    found_items: int = 0
    found_bytes: int = 0
    settled_items: int = 0
    settled_bytes: int = 0
    moved_bytes: int = 0
    failed_items: int = 0
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True)
class Reading:
    """A gauge at one moment, ready to be shown."""

    application: str
    step: str
    seconds: float
    items: int
    found_items: int
    size_bytes: int
    found_bytes: int
    failed_items: int
    scanned_items: int
    is_scanning: bool | None  # None: this step has not scanned anything
    rate: Rate | None
    left: Range | None
    idle_seconds: float
    frozen_seconds: float | None
    abort_seconds: float | None  # until the last safe moment to abort; negative once it has passed

    @property
    def share(self) -> float | None:
        """The part that is done, 0 to 1, of what is known so far; None when nothing is."""
        if self.found_bytes > 0:
            return min(1.0, self.size_bytes / self.found_bytes)
        return min(1.0, self.items / self.found_items) if self.found_items > 0 else None


class Meter:
    """Takes events from any thread at the cost of a lock and an addition; `readings` is for one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._gauges: dict[str, Gauge] = {}

    def __call__(self, event: Event) -> None:
        """Count the event."""
        application = getattr(event, "application", None)
        if application is None:
            return
        with self._lock:
            gauge = self._gauges.get(application)
            if gauge is None:
                gauge = self._gauges[application] = Gauge()
            self._count(gauge, event)

    def _count(self, gauge: Gauge, event: Event) -> None:
        if isinstance(event, BytesMoved):
            gauge.moved_bytes += event.size_bytes
        elif isinstance(event, ItemChanged):
            _settle(gauge, event)
        elif isinstance(event, WorkFound):
            gauge.found_items += event.items
            gauge.found_bytes += event.size_bytes
        elif isinstance(event, ScanProgress):
            gauge.scans[event.dataset] = event
        else:
            self._turn(gauge, event)

    def _turn(self, gauge: Gauge, event: Event) -> None:
        if isinstance(event, StepStarted):
            now = self._clock()
            since = gauge.frozen_since if event.frozen_at is None else now - max(0.0, _age_seconds(event.frozen_at))
            self._gauges[event.application] = Gauge(event.step, now, since, gauge.abort_by)
        elif isinstance(event, StepEnded):
            gauge.step = None
            if event.phase not in _UNDER_FREEZE:
                gauge.frozen_since = gauge.abort_by = None
        elif isinstance(event, CutoverLimited):
            gauge.abort_by = event.abort_by
        elif isinstance(event, EffectNoted) and event.effect == "freeze":
            if event.verb == "undo":
                gauge.frozen_since = None
            elif event.answer in ("in place", "done") and gauge.frozen_since is None:
                gauge.frozen_since = self._clock()

    def readings(self) -> list[Reading]:
        """One reading for each application that is in a step, in the order in which they came up."""
        now = self._clock()
        with self._lock:
            return [_read(name, gauge, now) for name, gauge in self._gauges.items() if gauge.step is not None]

    def reading(self, application: str) -> Reading | None:
        """The reading of one application; None when it is in no step."""
        with self._lock:
            gauge = self._gauges.get(application)
            return None if gauge is None or gauge.step is None else _read(application, gauge, self._clock())


def _age_seconds(moment: dt.datetime) -> float:
    """How long ago it was; negative for what is to come."""
    return (dt.datetime.now(dt.UTC) - moment).total_seconds()


def _settle(gauge: Gauge, event: ItemChanged) -> None:
    if event.state in _SETTLED:
        gauge.settled_items += 1
        gauge.settled_bytes += event.size_bytes
    if event.state is Class.FAILED:
        gauge.failed_items += 1


def _read(name: str, gauge: Gauge, now: float) -> Reading:
    # Bytes that were carried twice (a file that changed meanwhile) never show more than there is.
    size_bytes = min(max(gauge.moved_bytes, gauge.settled_bytes), gauge.found_bytes)
    items = min(gauge.settled_items, gauge.found_items)
    gauge.pace.add(Sample(now, gauge.moved_bytes, gauge.settled_items))
    rates = gauge.pace.rates()
    scans = gauge.scans.values()
    return Reading(
        application=name,
        step=gauge.step or "",
        seconds=now - gauge.started,
        items=items,
        found_items=gauge.found_items,
        size_bytes=size_bytes,
        found_bytes=gauge.found_bytes,
        failed_items=gauge.failed_items,
        scanned_items=sum(scan.items for scan in scans),
        is_scanning=any(not scan.ended for scan in scans) if scans else None,
        rate=rates[0] if rates else None,
        left=time_left(gauge.found_bytes - size_bytes, gauge.found_items - items, rates),
        idle_seconds=gauge.pace.idle_seconds(),
        frozen_seconds=None if gauge.frozen_since is None else now - gauge.frozen_since,
        abort_seconds=None if gauge.abort_by is None else -_age_seconds(gauge.abort_by),
    )
