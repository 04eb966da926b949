"""`run --until-window-ends`: whatever is seeded is brought up to date, again and again, while its wave may copy."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from migrator.bootstrap.session import Session
from migrator.domain.calendar import WaveHours
from migrator.domain.phases import Phase
from migrator.domain.plan import Application, Plan, Wave
from migrator.domain.reports import ApplicationReport
from migrator.domain.stopping import utc_now
from migrator.errors import UsageError, WindowOver
from migrator.orchestration.journey import Journey

# Between two passes over a wave: what users write in a minute is little to copy, and a scan is felt at the source.
_PAUSE_SECONDS = 60.0
_SHORTEST_PAUSE_SECONDS = 1.0


def end_of_window(plan: Plan, wave: Wave) -> dt.datetime:
    """When the window of the wave that is open now closes, else its cutover hours; UsageError when neither ever does.

    Now, when the window is closed.
    """
    hours, now = WaveHours.of(plan, wave), utc_now()
    window, cutover = hours.window(now).now, hours.cutover(now).now
    if window is None:
        return now
    end = window.end or (cutover.end if cutover is not None else None)
    if end is None:
        raise UsageError(
            f"neither the window of wave `{wave.name}` nor its cutover hours end",
            hint="give the wave a `window` with `to`, or leave `--until-window-ends` out",
        )
    return end


def travel_until(
    session: Session, wave: Wave, applications: Sequence[Application], ends_at: dt.datetime
) -> list[ApplicationReport]:
    """Go along the itinerary, then make catch-ups and go on whenever gates and hours allow; ends in good order.

    What is still on its way when the window ends is reported with the exit code for that.
    """
    reports = {report.name: report for report in session.travel(wave, applications, Journey.advance)}
    while waiting := [each for each in applications if _goes_on(reports[each.name])]:
        left = (ends_at - utc_now()).total_seconds()
        # Closer together towards the end, so that the last one has seen nearly everything.
        session.stop.wait(max(_SHORTEST_PAUSE_SECONDS, min(_PAUSE_SECONDS, left / 2)))
        # Once the window is closed, or somebody has asked to stop, this says so for each of them.
        reports |= {report.name: report for report in session.travel(wave, waiting, Journey.keep_fresh)}
        if left <= 0:
            break
    return [reports[application.name] for application in applications]


def _goes_on(report: ApplicationReport) -> bool:
    """Whether the application only waits: for a gate, for another application, or for its cutover hours."""
    return report.phase is Phase.SEEDED and report.exit_code in (0, WindowOver.exit_code)
