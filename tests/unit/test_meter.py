"""What the events add up to, and how long the rest takes."""

from __future__ import annotations

import datetime as dt
import threading

import pytest

from migrator.console.estimate import Pace, Rate, Sample, time_left
from migrator.console.meter import Meter, Reading
from migrator.console.sentences import progress_parts
from migrator.domain.entries import Class, Kind
from migrator.domain.events import (
    BytesMoved,
    CutoverLimited,
    EffectNoted,
    ItemChanged,
    ScanProgress,
    StepEnded,
    StepStarted,
    WorkFound,
)
from migrator.domain.phases import Phase

NAME = "portal"


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def meter(clock: Clock) -> Meter:
    return Meter(clock)


def item(state: Class, size_bytes: int = 1_000_000) -> ItemChanged:
    return ItemChanged(NAME, "files", b"a", Kind.FILE, size_bytes, state, 1)


def only(meter: Meter) -> Reading:
    (reading,) = meter.readings()
    return reading


def half_way(meter: Meter, clock: Clock, *, scan_ended: bool) -> str:
    """What is said after 50 of 100 items of 1 MB each in 10 s."""
    meter(StepStarted(NAME, "seed"))
    meter.readings()
    meter(ScanProgress(NAME, "files", 100, 100_000_000, ended=scan_ended))
    meter(WorkFound(NAME, "files", 100, 100_000_000))
    for _ in range(10):
        clock.now += 1
        for _ in range(5):
            meter(BytesMoved(NAME, "files", 1_000_000))
            meter(item(Class.ACKNOWLEDGED))
        meter.readings()
    return ", ".join(progress_parts(only(meter)))


def test_the_rest_is_a_range_and_it_is_said_that_the_scan_has_ended(meter: Meter, clock: Clock) -> None:
    said = half_way(meter, clock, scan_ended=True)
    assert said == "50 of 100 items, 50 MB of 100 MB, 5.0 MB/s, 8-12 s left, scan ended"


def test_while_the_scan_goes_on_the_range_is_a_lower_bound(meter: Meter, clock: Clock) -> None:
    said = half_way(meter, clock, scan_ended=False)
    assert said.endswith("at least 8-12 s left, still scanning")


def test_a_slow_last_minute_widens_the_range(meter: Meter, clock: Clock) -> None:
    half_way(meter, clock, scan_ended=True)
    for _ in range(10):
        clock.now += 1
        meter(BytesMoved(NAME, "files", 100_000))
        meter.readings()
    left = only(meter).left
    assert left is not None
    # 49 MB at the 0.1 MB/s of now, or the 50 items at the 2.5 a second of the whole time.
    assert left.low == pytest.approx(20 * 0.85, rel=0.05)
    assert left.high == pytest.approx(490 * 1.15, rel=0.05)


def test_a_stall_is_said_and_no_time_is_promised(meter: Meter, clock: Clock) -> None:
    half_way(meter, clock, scan_ended=True)
    for _ in range(70):
        clock.now += 1
        meter.readings()
    said = ", ".join(progress_parts(only(meter)))
    assert "nothing moved for" in said
    assert "left" not in said


def test_bytes_that_travel_twice_never_show_more_than_there_is(meter: Meter) -> None:
    meter(StepStarted(NAME, "seed"))
    meter(WorkFound(NAME, "files", 1, 10))
    meter(BytesMoved(NAME, "files", 25))
    reading = only(meter)
    assert (reading.size_bytes, reading.share) == (10, 1.0)


def test_each_step_counts_anew(meter: Meter) -> None:
    meter(StepStarted(NAME, "seed"))
    meter(WorkFound(NAME, "files", 3, 10))
    meter(item(Class.FAILED))
    assert only(meter).failed_items == 1
    meter(StepEnded(NAME, "seed", Phase.SEEDED, 1.0))
    assert meter.readings() == []
    meter(StepStarted(NAME, "catch-up"))
    assert (only(meter).found_items, only(meter).failed_items) == (0, 0)


def test_only_classes_that_end_the_work_count_as_done(meter: Meter) -> None:
    meter(StepStarted(NAME, "seed"))
    meter(WorkFound(NAME, "files", 9, 9_000_000))
    for state in Class:
        meter(item(state))
    assert only(meter).items == 4  # acknowledged, verified, failed, vanished


def test_the_freeze_grows_old_over_several_steps_and_ends_with_the_thaw(meter: Meter, clock: Clock) -> None:
    meter(StepStarted(NAME, "freeze"))
    meter(EffectNoted(NAME, "freeze", "probe", "not in place"))
    assert only(meter).frozen_seconds is None
    meter(EffectNoted(NAME, "freeze", "apply", "done"))
    clock.now += 5
    meter(StepEnded(NAME, "freeze", Phase.FROZEN, 1.0))
    meter(StepStarted(NAME, "final-sync"))
    clock.now += 5
    meter(EffectNoted(NAME, "freeze", "probe", "in place"))
    assert only(meter).frozen_seconds == 10
    meter(EffectNoted(NAME, "freeze", "undo", "done"))
    assert only(meter).frozen_seconds is None


def test_after_the_switch_nobody_waits_for_the_thaw(meter: Meter) -> None:
    meter(EffectNoted(NAME, "freeze", "apply", "done"))
    meter(StepEnded(NAME, "switch-over", Phase.SWITCHED_OVER, 1.0))
    meter(StepStarted(NAME, "accept"))
    assert only(meter).frozen_seconds is None


def test_no_event_of_any_thread_is_lost(meter: Meter) -> None:
    meter(StepStarted(NAME, "seed"))
    meter(WorkFound(NAME, "files", 10**6, 10**9))

    def move() -> None:
        for _ in range(5000):
            meter(BytesMoved(NAME, "files", 3))

    threads = [threading.Thread(target=move) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert only(meter).size_bytes == 60_000


def test_samples_are_bounded_and_look_back_a_minute() -> None:
    pace = Pace()
    for second in range(1000):
        pace.add(Sample(float(second), second * 2, second))
    assert pace.rates() == (Rate(2.0, 1.0), Rate(2.0, 1.0))
    assert pace.idle_seconds() == 0
    for second in range(1000, 1030):
        pace.add(Sample(float(second), 1998, 999))
    assert pace.idle_seconds() == 30


@pytest.mark.parametrize(
    ("left_bytes", "left_items", "rates"),
    [(10, 10, ()), (10, 0, (Rate(0.0, 5.0),)), (0, 10, (Rate(5.0, 0.0),))],
)
def test_without_anything_moving_there_is_no_estimate(
    left_bytes: int, left_items: int, rates: tuple[Rate, ...]
) -> None:
    assert time_left(left_bytes, left_items, rates) is None


def test_with_nothing_left_no_time_is_left() -> None:
    assert time_left(0, 0, ()) == (0.0, 0.0)


def limited(left_seconds: float) -> CutoverLimited:
    abort_by = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=left_seconds)
    return CutoverLimited(NAME, abort_by, abort_by, abort_by, "last safe moment to abort: soon")


@pytest.mark.parametrize("left_seconds", [600.0, -30.0])
def test_the_last_safe_moment_is_counted_down_until_the_cutover_is_over(left_seconds: float, meter: Meter) -> None:
    meter(limited(left_seconds))
    assert meter.readings() == [], "no step is under way yet"
    for step, phase in (("freeze", Phase.FROZEN), ("final-sync", Phase.SYNCED)):
        meter(StepStarted(NAME, step))
        left = only(meter).abort_seconds
        assert left is not None
        assert left_seconds - 5 < left <= left_seconds
        meter(StepEnded(NAME, step, phase, 1.0))
    meter(StepEnded(NAME, "switch-over", Phase.SWITCHED_OVER, 1.0))
    meter(StepStarted(NAME, "check"))
    assert only(meter).abort_seconds is None


def test_a_seed_has_no_moment_to_abort(meter: Meter) -> None:
    meter(StepStarted(NAME, "seed"))
    assert only(meter).abort_seconds is None
