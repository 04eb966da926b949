"""The bandwidth that the plan's timetable leaves at a moment, summer time included. Pure."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from migrator.domain.plan import Bandwidth, EndpointSpec, Plan

_DAY = dt.timedelta(days=1)


def rate_at(plan: Plan, spec: EndpointSpec, now: dt.datetime) -> int | None:
    """Bytes a second that an endpoint may get at `now` by the plan; None: no limit.

    The lowest of its own limit and of the hours that `now` lies in. The timetable is about links to other hosts: this
    machine has its own limit alone.
    """
    rates = [] if spec.is_local else [row.limit for row in plan.calendar.bandwidth if _holds(row, plan.timezone, now)]
    if spec.limits.bandwidth is not None:
        rates.append(spec.limits.bandwidth)
    return min(rates, default=None)


def _holds(row: Bandwidth, timezone: str, now: dt.datetime) -> bool:
    """Whether the clock on the wall lies in the hours of a row; hours belong to the day on which they begin."""
    wall = now.astimezone(ZoneInfo(timezone))
    today, yesterday, at = wall.weekday(), (wall - _DAY).weekday(), wall.time()
    if row.start < row.end:
        return today in row.days and row.start <= at < row.end
    return (today in row.days and at >= row.start) or (yesterday in row.days and at < row.end)
