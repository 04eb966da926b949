"""The windows of a plan, carried out: what may begin, what must end, what no longer fits in. Only the clock is ours."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from migrator import planfile
from migrator.domain.events import CutoverLimited, Event, Note
from migrator.domain.phases import Phase
from migrator.domain.stopping import Curfew, Stop
from migrator.errors import Interrupted, WindowOver
from migrator.orchestration.itinerary import CATCH_UP, FORWARD, Row
from migrator.orchestration.reporting import times_of_waves
from migrator.orchestration.times import limit_at, times_of
from migrator.orchestration.window import Watch
from migrator.planning.timing import Measures
from tests.support.plans import application, flag_freeze, flag_switch, local, write_plan

# Everything but the time-outs of the plan: freeze 30 s, one switch 60 s.
QUICK = Measures({"final-sync": 100, "verify": 200, "switch-over": 40, "roll-back": 30, "freeze": 30, "check": 0}, {})


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


NIGHT = utc("2018-07-28T22:30")


@dataclass
class Night:
    """A wave with a window and cutover hours, watched with a clock that is set by hand."""

    folder: Path
    wave: dict[str, object]
    now: dt.datetime = NIGHT
    measures: Measures = QUICK
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        keys = {
            "freeze": {**flag_freeze(self.folder / "frozen"), "timeout": "30s"},
            "switch": [{"command": {**flag_switch(self.folder / "on")["command"], "timeout": "60s"}}],
        }
        portail = application("portail", f"old:{self.folder}/source", f"new:{self.folder}/target", **keys)
        path = write_plan(self.folder / "plan.yaml", {"old": local(), "new": local()}, portail, **self.wave)
        self.plan = planfile.load(path)
        self.curfew = Curfew(Stop(), lambda: self.now)
        (portail_,) = self.plan.applications
        self.watch = Watch(
            self.plan, portail_, self.curfew, lambda: self.measures, self.events.append, lambda: self.now
        )

    def at(self, text: str) -> Watch:
        self.now = utc(text)
        return self.watch


@pytest.fixture
def night(tmp_path: Path) -> Night:
    wave: dict[str, object] = {
        "window": {"from": "2018-07-02", "to": "2018-07-28"},
        "cutover": {"days": "sat", "hours": "22:00-06:00"},
    }
    return Night(tmp_path, wave)


def row(step: str, start: Phase | None = None) -> Row:
    return next(each for each in FORWARD if each.step == step and start in (None, each.start))


def refusal(watch: Watch, step: Row) -> WindowOver:
    with pytest.raises(WindowOver) as caught:
        watch.admit(step)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("step", ["preflight", "seed"])
def test_before_the_window_nothing_begins_and_its_opening_is_named(step: str, night: Night) -> None:
    error = refusal(night.at("2018-07-01T23:59:59"), row(step))
    assert error.exit_code == 5
    assert "window of wave `july` is closed until Mon 2018-07-02 00:00 UTC" in error.message
    night.at("2018-07-02T00:00").admit(row(step))


def test_after_the_last_window_the_plan_must_change(night: Night) -> None:
    error = refusal(night.at("2018-07-29T06:00"), row("seed"))
    assert "closed for good" in error.message
    assert error.hint is not None
    assert "--accept-changes" in error.hint


def test_seeding_is_not_bound_to_cutover(night: Night) -> None:
    watch = night.at("2018-07-24T12:00")
    for step in (row("preflight"), row("seed"), CATCH_UP):
        watch.admit(step)
    for name in ("freeze", "final-sync", "verify", "switch-over"):
        error = refusal(watch, row(name))
        assert "cutover hours of wave `july` are closed until Sat 2018-07-28 22:00 UTC" in error.message


def test_when_the_source_is_frozen_the_hint_is_the_way_back(night: Night) -> None:
    for step in ("final-sync", "verify"):
        hint = refusal(night.at("2018-07-29T07:00"), row(step)).hint
        assert hint is not None
        assert "roll-back" in hint
        assert "portail" in hint


def test_a_switch_that_has_begun_is_finished_whatever_the_time(night: Night) -> None:
    night.at("2018-07-29T07:00").admit(row("switch-over", Phase.SWITCHING))
    assert [event.severity for event in night.events if isinstance(event, Note)] == ["warning"]
    with night.watch.over(row("switch-over", Phase.SWITCHING)):
        night.curfew.check()
    night.watch.admit(row("accept"))


def test_what_must_be_finished_lifts_the_curfew(night: Night) -> None:
    night.at("2018-07-28T23:00")
    with night.watch.over(row("switch-over")):
        night.at("2018-07-29T07:00")
        with pytest.raises(WindowOver):
            night.curfew.check()
        night.curfew.lift()
        night.curfew.check()
    with night.watch.over(row("switch-over")), pytest.raises(WindowOver):
        night.curfew.check()


def test_a_freeze_needs_room_for_all_that_follows(night: Night) -> None:
    need = 30 + 100 + 200 + 40 + 60 + 30  # freeze, final sync, verify, switch, undo, thaw
    ends_at = utc("2018-07-22T06:00")
    night.now = ends_at - dt.timedelta(seconds=need)
    night.watch.admit(row("freeze"))
    night.now += dt.timedelta(seconds=60)
    error = refusal(night.watch, row("freeze"))
    assert "the freeze does not begin" in error.message
    assert "1 min too short" in error.message
    assert "verify 3 min 20 s: measured before" in error.message
    assert "Sun 2018-07-22 06:00 UTC" in error.message
    assert error.hint is not None
    assert "--rehearse" in error.hint


def test_a_switch_needs_room_for_itself_and_the_way_back(night: Night) -> None:
    night.now = utc("2018-07-29T06:00") - dt.timedelta(seconds=40 + 60 + 30)
    night.watch.admit(row("switch-over", Phase.VERIFIED))
    night.now += dt.timedelta(seconds=12)
    error = refusal(night.watch, row("switch-over", Phase.VERIFIED))
    assert "the switch does not begin" in error.message
    assert "12 s too short" in error.message
    assert error.hint is not None
    assert "roll-back" in error.hint


def test_what_is_only_assumed_is_said_to_be(night: Night) -> None:
    night.measures = Measures({}, {})
    error = refusal(night.at("2018-07-29T05:50"), row("freeze"))
    assert "verify 10 min: assumed" in error.message
    assert "the switches 1 min: time-outs added up" in error.message


def test_each_step_of_a_cutover_tells_the_last_safe_moment(night: Night) -> None:
    night.watch.admit(row("verify"))
    (told,) = [event for event in night.events if isinstance(event, CutoverLimited)]
    assert told.ends_at == utc("2018-07-29T06:00")
    assert told.abort_by == told.ends_at - dt.timedelta(seconds=60 + 30)
    assert told.switch_by == told.ends_at - dt.timedelta(seconds=40 + 60 + 30)
    assert "Sun 2018-07-29 05:58 UTC" in told.sentence


def test_a_window_that_ends_in_mid_run_ends_the_work(night: Night) -> None:
    night.now = utc("2018-07-28T23:59:59")
    with night.watch.over(row("seed")):
        night.curfew.check()
        night.now = utc("2018-07-29T06:00")  # the night that begins on the last day belongs to it
        with pytest.raises(WindowOver, match="window of wave `july`"):
            night.curfew.check()
    night.curfew.check()


def test_hours_that_end_in_mid_step_end_a_cutover_and_no_seed(night: Night) -> None:
    for step, ends in ((row("verify"), True), (CATCH_UP, False)):
        night.now = utc("2018-07-22T05:59")
        with night.watch.over(step):
            night.now = utc("2018-07-22T06:00")
            if ends:
                with pytest.raises(WindowOver, match=r"cutover hours .* closed until Sat 2018-07-28 22:00"):
                    night.curfew.check_time()
            else:
                night.curfew.check()


def test_without_a_calendar_nothing_is_limited(tmp_path: Path) -> None:
    free = Night(tmp_path, {})
    for step in FORWARD:
        free.watch.admit(step)
        with free.watch.over(step):
            free.curfew.check()
    assert free.events == []
    (portail,) = free.plan.applications
    assert limit_at(free.plan, portail, Phase.VERIFIED, QUICK, free.now) is None
    assert times_of_waves(free.plan, ["july"]) == ()


def test_a_curfew_passes_requests_to_stop_on() -> None:
    stop = Stop()
    curfew = Curfew(stop)
    assert not curfew.wait(0)
    stop.ask(15)
    assert curfew.is_asked
    assert curfew.wait(10)
    with pytest.raises(Interrupted):
        curfew.check()
    curfew.check_time()


def test_what_is_open_and_what_opens_next_is_told(night: Night) -> None:
    (wave,) = night.plan.waves
    times = times_of(night.plan, wave, utc("2018-07-24T12:00"))
    assert times is not None
    assert (times.is_open, times.closes_at, times.opens_at) == (True, utc("2018-07-29T06:00"), None)
    assert (times.is_cutover_open, times.cutover_opens_at) == (False, utc("2018-07-28T22:00"))
    assert times.sentence == (
        "wave `july`: window open until Sun 2018-07-29 06:00 UTC; cutover opens Sat 2018-07-28 22:00 UTC"
    )
    over = times_of(night.plan, wave, utc("2018-08-01T12:00"))
    assert over is not None
    assert "window does not open again" in over.sentence


def test_the_limit_is_that_of_the_next_cutover_until_it_is_behind(night: Night) -> None:
    (portail,) = night.plan.applications
    limit = limit_at(night.plan, portail, Phase.SEEDED, QUICK, utc("2018-07-24T12:00"))
    assert limit is not None
    assert limit.freeze_by == utc("2018-07-29T06:00") - dt.timedelta(seconds=460)
    assert limit_at(night.plan, portail, Phase.SWITCHED_OVER, QUICK, utc("2018-07-24T12:00")) is None
