"""The calendar as it is told: when waves and cutovers open, and until when a cutover can be given up."""

from __future__ import annotations

import datetime as dt

from migrator.domain.calendar import Look, WaveHours
from migrator.domain.phases import Phase
from migrator.domain.plan import Application, Plan, Wave
from migrator.domain.reports import CutoverLimit, WaveTimes
from migrator.planning.timing import Measures, cutover, switch, way_back


def times_of(plan: Plan, wave: Wave, now: dt.datetime) -> WaveTimes | None:
    """What is open now, and what opens next; None when the plan does not limit the wave's time."""
    hours = WaveHours.of(plan, wave)
    if not hours.has_any:
        return None
    window, cutover_hours = hours.window(now), hours.cutover(now)
    return WaveTimes(
        wave=wave.name,
        is_open=window.now is not None,
        closes_at=window.now.end if window.now else None,
        opens_at=window.opens_at,
        is_cutover_open=cutover_hours.now is not None,
        cutover_closes_at=cutover_hours.now.end if cutover_hours.now else None,
        cutover_opens_at=cutover_hours.opens_at,
        sentence=f"wave `{wave.name}`: window {_said(hours, window)}; cutover {_said(hours, cutover_hours)}",
    )


def closed_until(plan: Plan, wave: Wave, phase: Phase, now: dt.datetime) -> str | None:
    """What an application at `phase` waits for, when its next step may not begin now; None when it may."""
    if phase.is_at_least(Phase.SWITCHING):
        return None
    hours = WaveHours.of(plan, wave)
    window = hours.window(now)
    look = hours.cutover(now) if phase.is_at_least(Phase.SEEDED) and window.now is not None else window
    if look.now is not None:
        return None
    what = "the window of its wave" if look is window else "the cutover hours of its wave"
    if look.following is None:
        return f"{what}, and none is left: agree on another one, and change the plan"
    return f"{what}, from {hours.spoken(look.following.start)} on"


def limit_at(
    plan: Plan, application: Application, phase: Phase, known: Measures, now: dt.datetime
) -> CutoverLimit | None:
    """The limit of the cutover that is open or opens next; None where no hours end it, and once it is behind."""
    if phase.is_at_least(Phase.SWITCHED_OVER):
        return None
    hours = WaveHours.of(plan, plan.wave_of(application.name))
    look = hours.cutover(now)
    opening = look.now or look.following
    if opening is None or opening.end is None:
        return None
    return limit_of(application, hours, opening.end, known)


def limit_of(application: Application, hours: WaveHours, ends_at: dt.datetime, known: Measures) -> CutoverLimit:
    """Until when a cutover whose hours end at `ends_at` can begin, be switched over, and be given up."""
    back = way_back(application, known)
    abort_by = ends_at - back.time
    return CutoverLimit(
        ends_at=ends_at,
        freeze_by=ends_at - cutover(application, known).time,
        switch_by=ends_at - switch(application, known).time,
        abort_by=abort_by,
        sentence=f"last safe moment to abort: {hours.spoken(abort_by)} (the way back needs {back.summary})",
    )


def _said(hours: WaveHours, look: Look) -> str:
    if look.now is not None:
        return "always open" if look.now.end is None else f"open until {hours.spoken(look.now.end)}"
    return "does not open again" if look.following is None else f"opens {hours.spoken(look.following.start)}"
