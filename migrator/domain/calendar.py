"""When a wave may be worked on and cut over: the plan's days and hours as moments, summer time included. Pure.

An hour that the clock shows twice counts the first time; one that it skips counts at the moment of the leap.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from migrator.domain.plan import Plan, Wave

_DAY = dt.timedelta(days=1)
_MIDNIGHT = dt.time(0, 0)
_SECOND = dt.timedelta(seconds=1)
# Farther ahead nothing is looked for: within it every weekday comes, whatever a year's closed days are.
_HORIZON_DAYS = 400
# Far enough from the edges of what a datetime in any zone can hold.
_FIRST_DAY, _LAST_DAY = dt.date(1900, 1, 1), dt.date(9999, 12, 30)
_ALWAYS = dt.datetime(1900, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Opening:
    """A span in which something may be done: from `start` up to, and without, `end`; None never ends. In UTC."""

    start: dt.datetime
    end: dt.datetime | None

    def holds(self, moment: dt.datetime) -> bool:
        """Whether `moment` lies in it."""
        return self.start <= moment and (self.end is None or moment < self.end)

    def is_over(self, moment: dt.datetime) -> bool:
        """Whether it ended by then."""
        return self.end is not None and self.end <= moment


@dataclass(frozen=True, slots=True)
class Look:
    """What is open at one moment, and what opens next; both None when it never opens again."""

    now: Opening | None
    following: Opening | None

    @property
    def opens_at(self) -> dt.datetime | None:
        """When it opens next; None while it is open, and when it does not open again."""
        return self.following.start if self.now is None and self.following is not None else None


@dataclass(frozen=True, slots=True)
class WaveHours:
    """The calendar of one wave, in the plan's time zone."""

    wave: Wave
    zone: ZoneInfo
    closed: frozenset[dt.date]

    @classmethod
    def of(cls, plan: Plan, wave: Wave) -> WaveHours:
        """The calendar of `wave` as the plan writes it."""
        return cls(wave, ZoneInfo(plan.timezone), frozenset(plan.calendar.closed))

    @property
    def has_any(self) -> bool:
        """Whether the plan limits this wave's time at all."""
        wave = self.wave
        return bool(wave.first_day or wave.last_day or wave.cutover or self.closed)

    def window(self, now: dt.datetime) -> Look:
        """The days of the wave; cutover hours that begin on its last day belong to it up to their end."""
        return _look(_merged(self._window(now)), now)

    def cutover(self, now: dt.datetime) -> Look:
        """When applications may be frozen and switched over: the hours that begin in the window, less closed days."""
        return _look(_merged(self._cutover(now)), now)

    def spoken(self, moment: dt.datetime) -> str:
        """`moment` in the plan's time zone, for people: `Sat 2018-07-28 22:00 Europe/Paris`."""
        return f"{moment.astimezone(self.zone):%a %Y-%m-%d %H:%M} {self.zone.key}"

    def _window(self, now: dt.datetime) -> Iterator[Opening]:
        yield self._days()
        if self.wave.cutover is not None:
            yield from self._cutover(now)

    def _cutover(self, now: dt.datetime) -> Iterator[Opening]:
        for opening in self._nights(now) if self.wave.cutover is not None else (self._days(),):
            yield from self._without_closed_days(opening)

    def _days(self) -> Opening:
        """From the first day of the wave to the end of its last."""
        first, last = self.wave.first_day, self.wave.last_day
        start = _ALWAYS if first is None else self._midnight(first)
        return Opening(start, None if last is None else self._midnight_after(last))

    def _nights(self, now: dt.datetime) -> Iterator[Opening]:
        """The cutover hours of each of their days, from the day before yesterday on."""
        cutover, wave = self.wave.cutover, self.wave
        assert cutover is not None
        day = now.astimezone(self.zone).date() - 2 * _DAY
        day = max(day, wave.first_day) if wave.first_day is not None else day
        for _ in range(_HORIZON_DAYS):
            if wave.last_day is not None and day > wave.last_day:
                return
            if day.weekday() in cutover.days and day not in self.closed:
                end_day = day if cutover.end > cutover.start else day + _DAY
                opening = Opening(self._instant(day, cutover.start), self._instant(end_day, cutover.end))
                if opening.end is not None and opening.start < opening.end:
                    yield opening
            day += _DAY

    def _without_closed_days(self, opening: Opening) -> Iterator[Opening]:
        """What closed days leave of it."""
        start = opening.start
        for day in sorted(self.closed):
            shut, again = self._midnight(day), self._midnight_after(day)
            if again <= start or (opening.end is not None and shut >= opening.end):
                continue
            if start < shut:
                yield Opening(start, shut)
            start = again
        if opening.end is None or start < opening.end:
            yield replace(opening, start=start)

    def _midnight(self, day: dt.date) -> dt.datetime:
        return self._instant(min(max(day, _FIRST_DAY), _LAST_DAY), _MIDNIGHT)

    def _midnight_after(self, day: dt.date) -> dt.datetime:
        return self._midnight(min(day, _LAST_DAY) + _DAY)

    def _instant(self, day: dt.date, at: dt.time) -> dt.datetime:
        """The moment at which a clock on the wall first shows that time, or leaps over it; in UTC."""
        wall = dt.datetime.combine(day, at)
        moment = wall.replace(tzinfo=self.zone).astimezone(dt.UTC)
        if moment.astimezone(self.zone).replace(tzinfo=None) == wall:
            return moment
        before = wall.replace(tzinfo=self.zone, fold=1).astimezone(dt.UTC)
        return _leap(before, moment, lambda at: at.astimezone(self.zone).utcoffset())


def _leap(early: dt.datetime, late: dt.datetime, offset: Callable[[dt.datetime], dt.timedelta | None]) -> dt.datetime:
    """The second at which the offset becomes that of `late`; it still is another one at `early`."""
    goal = offset(late)
    while late - early > _SECOND:
        middle = early + (late - early) // 2
        middle = middle.replace(microsecond=0)
        early, late = (early, middle) if offset(middle) == goal else (middle, late)
    return late


def _merged(openings: Iterable[Opening]) -> Iterator[Opening]:
    """The same time as spans that neither touch nor overlap; `openings` come by their start."""
    last: Opening | None = None
    for each in openings:
        if last is None:
            last = each
        elif last.end is not None and last.end < each.start:
            yield last
            last = each
        elif last.end is not None and (each.end is None or each.end > last.end):
            last = replace(last, end=each.end)
    if last is not None:
        yield last


def _look(openings: Iterable[Opening], now: dt.datetime) -> Look:
    current: Opening | None = None
    for opening in openings:
        if opening.is_over(now):
            continue
        if not opening.holds(now):
            return Look(current, opening)
        current = opening
    return Look(current, None)
