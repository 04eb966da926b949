"""Days and hours of a plan as moments: both changes of the clock, hours past midnight, closed days."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from migrator.domain.calendar import Opening, WaveHours
from migrator.domain.plan import Cutover, Wave

PARIS = "Europe/Paris"
MON, FRI, SAT, SUN = 0, 4, 5, 6


def hours(
    cutover: tuple[set[int], str, str] | None = None,
    days: tuple[str | None, str | None] = (None, None),
    closed: tuple[str, ...] = (),
    zone: str = PARIS,
) -> WaveHours:
    first, last = (None if day is None else dt.date.fromisoformat(day) for day in days)
    found = None
    if cutover is not None:
        weekdays, start, end = cutover
        found = Cutover(frozenset(weekdays), dt.time.fromisoformat(start), dt.time.fromisoformat(end))
    wave = Wave("july", (), first, last, found)
    return WaveHours(wave, ZoneInfo(zone), frozenset(dt.date.fromisoformat(day) for day in closed))


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def at(text: str, zone: str = PARIS, fold: int = 0) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def span(start: str, end: str) -> Opening:
    return Opening(utc(start), utc(end))


def test_without_a_calendar_it_is_always_open() -> None:
    always = hours()
    assert not always.has_any
    for look in (always.window(utc("2018-07-28T12:00")), always.cutover(utc("2018-07-28T12:00"))):
        assert look.now is not None
        assert look.now.end is None
        assert (look.following, look.opens_at) == (None, None)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2018-07-01T23:59:59", False),
        ("2018-07-02T00:00", True),
        ("2018-07-29T23:59:59", True),
        ("2018-07-30T00:00", False),
    ],
)
def test_the_last_day_of_a_window_belongs_to_it(moment: str, is_open: bool) -> None:
    assert (hours(days=("2018-07-02", "2018-07-29")).window(at(moment)).now is not None) is is_open


def test_a_window_says_when_it_opens_and_that_it_never_does_again() -> None:
    july = hours(days=("2018-07-02", "2018-07-29"))
    assert july.window(at("2018-06-30T12:00")).opens_at == utc("2018-07-01T22:00")
    late = july.window(at("2018-07-30T12:00"))
    assert (late.now, late.following, late.opens_at) == (None, None, None)


def test_hours_past_midnight_belong_to_the_day_on_which_they_begin() -> None:
    saturday = hours(({SAT}, "22:00", "06:00"))
    night = span("2018-07-28T20:00", "2018-07-29T04:00")
    assert saturday.cutover(at("2018-07-28T22:00")).now == night
    assert saturday.cutover(at("2018-07-29T05:59:59")).now == night
    assert saturday.cutover(at("2018-07-29T06:00")).now is None
    assert saturday.cutover(at("2018-07-28T05:00")).now is None, "the small hours of Saturday are Friday's"
    assert saturday.cutover(at("2018-07-29T06:00")).opens_at == utc("2018-08-04T20:00")


def test_hours_within_one_day() -> None:
    morning = hours(({SUN}, "01:00", "05:00"))
    assert morning.cutover(at("2018-07-29T01:00")).now == span("2018-07-28T23:00", "2018-07-29T03:00")
    assert morning.cutover(at("2018-07-28T02:00")).now is None


def test_a_whole_day_runs_into_the_next_without_a_seam() -> None:
    both = hours(({SAT, SUN}, "00:00", "00:00"))
    assert both.cutover(at("2018-07-28T12:00")).now == span("2018-07-27T22:00", "2018-07-29T22:00")


def test_the_night_in_which_an_hour_is_missing_is_an_hour_shorter() -> None:
    night = hours(({SAT}, "22:00", "06:00")).cutover(at("2018-03-24T23:00")).now
    assert night == span("2018-03-24T21:00", "2018-03-25T04:00")


def test_the_night_with_an_hour_twice_is_an_hour_longer() -> None:
    night = hours(({SAT}, "22:00", "06:00")).cutover(at("2018-10-27T23:00")).now
    assert night == span("2018-10-27T20:00", "2018-10-28T05:00")


def test_an_hour_that_the_clock_leaps_over_counts_at_the_leap() -> None:
    leap = utc("2018-03-25T01:00")  # 02:00 becomes 03:00
    begins = hours(({SUN}, "02:30", "05:00"))
    assert begins.cutover(leap).now == Opening(leap, utc("2018-03-25T03:00"))
    assert begins.cutover(leap - dt.timedelta(seconds=1)).now is None
    ends = hours(({SAT}, "22:00", "02:30"))
    assert ends.cutover(at("2018-03-24T23:00")).now == Opening(utc("2018-03-24T21:00"), leap)
    assert ends.cutover(leap).now is None


def test_hours_that_do_not_exist_in_a_night_do_not_open_in_it() -> None:
    gone = hours(({SUN}, "02:10", "02:50"))
    assert gone.cutover(at("2018-03-25T00:00")).opens_at == utc("2018-04-01T00:10")


def test_an_hour_that_the_clock_shows_twice_counts_the_first_time() -> None:
    ends = hours(({SAT}, "22:00", "02:30"))
    assert ends.cutover(at("2018-10-27T23:00")).now == span("2018-10-27T20:00", "2018-10-28T00:30")
    assert ends.cutover(at("2018-10-28T02:15", fold=1)).now is None
    begins = hours(({SUN}, "02:15", "02:45"))
    assert begins.cutover(at("2018-10-28T02:20")).now == span("2018-10-28T00:15", "2018-10-28T00:45")


def test_a_midnight_that_does_not_exist_is_the_leap() -> None:
    # In Beirut, clocks leap from 00:00 to 01:00.
    beirut = hours(days=("2018-03-25", None), zone="Asia/Beirut")
    assert beirut.window(utc("2018-03-24T12:00")).opens_at == utc("2018-03-24T22:00")


def test_a_day_that_a_zone_left_out_altogether() -> None:
    # Samoa went from the end of 29 December 2011 to the beginning of the 31st.
    samoa = hours(days=("2011-12-30", "2011-12-30"), zone="Pacific/Apia")
    leap = utc("2011-12-30T10:00")
    assert samoa.window(leap - dt.timedelta(seconds=1)).now is None
    assert samoa.window(leap).now is None


def test_hours_that_begin_on_a_closed_day_do_not_open() -> None:
    fridays = hours(({FRI}, "21:00", "05:00"), closed=("2018-07-13",))
    assert fridays.cutover(at("2018-07-13T22:00")).now is None
    assert fridays.cutover(at("2018-07-14T02:00")).now is None
    assert fridays.cutover(at("2018-07-13T22:00")).opens_at == utc("2018-07-20T19:00")


def test_hours_of_the_evening_before_end_where_a_closed_day_begins() -> None:
    fridays = hours(({FRI}, "21:00", "05:00"), closed=("2018-07-14",))
    assert fridays.cutover(at("2018-07-13T22:00")).now == span("2018-07-13T19:00", "2018-07-13T22:00")
    assert fridays.cutover(at("2018-07-14T00:00")).now is None


def test_closed_days_bind_also_where_no_hours_are_given() -> None:
    august = hours(closed=("2018-08-15", "2018-08-16"))
    before = august.cutover(at("2018-08-14T12:00"))
    assert before.now is not None
    assert before.now.end == utc("2018-08-14T22:00")
    assert august.cutover(at("2018-08-15T12:00")).opens_at == utc("2018-08-16T22:00")
    assert august.window(at("2018-08-15T12:00")).now is not None, "seeding is not bound to cutover"


def test_cutover_hours_outside_the_window_do_not_open() -> None:
    july = hours(({SAT}, "22:00", "06:00"), days=("2018-07-02", "2018-07-29"))
    assert july.cutover(at("2018-06-30T23:00")).opens_at == utc("2018-07-07T20:00")
    after = july.cutover(at("2018-07-29T12:00"))
    assert (after.now, after.following) == (None, None)


def test_the_night_that_begins_on_the_last_day_belongs_to_the_window() -> None:
    july = hours(({SAT}, "22:00", "06:00"), days=("2018-07-02", "2018-07-28"))
    at_two = at("2018-07-29T02:00")
    assert july.cutover(at_two).now == span("2018-07-28T20:00", "2018-07-29T04:00")
    window = july.window(at_two).now
    assert window is not None
    assert window.end == utc("2018-07-29T04:00")
    assert july.window(at("2018-07-29T06:00")).now is None
    sunday = hours(({SAT}, "22:00", "06:00"), days=("2018-07-29", None))
    assert sunday.cutover(at_two).now is None, "that night began before the window"


def test_a_window_that_lies_far_ahead_is_found() -> None:
    later = hours(({MON}, "22:00", "23:00"), days=("2030-01-01", None))
    assert later.cutover(at("2018-07-28T12:00")).opens_at == utc("2030-01-07T21:00")


def test_days_at_the_edge_of_time_do_no_harm() -> None:
    edge = hours(({SAT}, "22:00", "06:00"), days=("0001-01-01", "9999-12-31"), closed=("0001-01-01", "9999-12-31"))
    assert edge.window(at("2018-07-28T12:00")).now is not None
    assert edge.cutover(at("2018-07-28T12:00")).opens_at == utc("2018-07-28T20:00")


def test_a_moment_is_spoken_in_the_zone_of_the_plan() -> None:
    assert hours().spoken(utc("2018-07-28T20:00")) == "Sat 2018-07-28 22:00 Europe/Paris"
