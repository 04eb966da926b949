"""The calendar carried out: whether a step may begin now, when it must end, and whether a cutover still fits in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from migrator.domain.calendar import Look, WaveHours
from migrator.domain.durations import duration_text
from migrator.domain.events import CutoverLimited, Note, OnEvent
from migrator.domain.phases import Phase
from migrator.domain.plan import Application, Plan
from migrator.domain.stopping import Curfew, utc_now
from migrator.errors import WindowOver
from migrator.orchestration.itinerary import Row
from migrator.orchestration.times import limit_of
from migrator.planning.timing import Measures, Need, cutover, switch

# The steps of a cutover, bound to its hours. Once a switch has begun, no hour keeps it from being finished.
_CUTOVER = frozenset({"freeze", "final-sync", "verify", "switch-over"})


@dataclass(frozen=True)
class Watch:
    """Keeps one application within its windows; `measures` is asked whenever time is reckoned with."""

    plan: Plan
    application: Application
    curfew: Curfew
    measures: Callable[[], Measures]
    on_event: OnEvent
    clock: Callable[[], dt.datetime] = utc_now

    def admit(self, row: Row) -> None:
        """Return when the step may begin now; raises WindowOver when it is closed, or too little time is left."""
        now, look = self.clock(), self._look(row)
        if _is_free(row):
            if row.start is Phase.SWITCHING and look.now is None:
                note = "the cutover hours are over; a switch that has begun is finished all the same"
                self.on_event(Note(note, self.application.name, "warning"))
            return
        if look.now is None:
            raise self._closed(row)
        if row.step in _CUTOVER and look.now.end is not None:
            self._insist_on_room(row, now, look.now.end)

    @contextmanager
    def over(self, row: Row) -> Iterator[None]:
        """While inside, the step's work ends with WindowOver at the moment at which its window closes."""
        if _is_free(row):
            yield
            return
        opening = self._look(row).now
        with self.curfew.until(self.clock() if opening is None else opening.end, lambda: self._closed(row)):
            yield

    @property
    def _hours(self) -> WaveHours:
        return WaveHours.of(self.plan, self.plan.wave_of(self.application.name))

    def _look(self, row: Row) -> Look:
        hours = self._hours
        return (hours.window if row.step not in _CUTOVER else hours.cutover)(self.clock())

    def _closed(self, row: Row) -> WindowOver:
        hours = self._hours
        window = hours.window(self.clock())
        look = self._look(row) if window.now is not None else window
        what = f"the cutover hours of wave `{hours.wave.name}` are"
        if window.now is None:
            what = f"the window of wave `{hours.wave.name}` is"
        when = f"until {hours.spoken(look.following.start)}" if look.following is not None else "for good"
        return WindowOver(
            f"`{self.application.name}`: no `{row.step}` now, {what} closed {when}", hint=self._hint(row, look)
        )

    def _insist_on_room(self, row: Row, now: dt.datetime, end: dt.datetime) -> None:
        known = self.measures()
        limit = limit_of(self.application, self._hours, end, known)
        name = self.application.name
        self.on_event(CutoverLimited(name, limit.ends_at, limit.switch_by, limit.abort_by, limit.sentence))
        if row.step == "freeze":
            self._compare("the freeze does not begin: a whole cutover", cutover(self.application, known), row, now, end)
        elif row.step == "switch-over":
            self._compare("the switch does not begin: it", switch(self.application, known), row, now, end)

    def _compare(self, what: str, need: Need, row: Row, now: dt.datetime, end: dt.datetime) -> None:
        short = need.seconds - (end - now).total_seconds()
        if short <= 0:
            return
        raise WindowOver(
            f"`{self.application.name}`: {what} and a way back need {duration_text(need.seconds)}, and the hours end "
            f"in {duration_text((end - now).total_seconds())}, {self._hours.spoken(end)}: "
            f"{duration_text(short)} too short ({need.words})",
            hint=self._hint(row, self._hours.cutover(end)),
        )

    def _hint(self, row: Row, look: Look) -> str:
        path, name = self.plan.path, self.application.name
        if row.start.is_at_least(Phase.FROZEN):
            return (
                f"people wait: `migrator roll-back {path} --application {name} --yes` thaws, and keeps what was copied"
            )
        if look.following is None and look.now is None:
            return f"agree on another one: change the plan, then `migrator plan {path} --accept-changes`"
        if row.step == "freeze":
            return (
                "the same command goes on in the next hours; until then `--until seeded` keeps the copy fresh, and "
                "`--rehearse` measures what is only assumed"
            )
        return "the same command goes on then"


def _is_free(row: Row) -> bool:
    """Whether no calendar binds the step: users may be at the target already."""
    return row.start.is_at_least(Phase.SWITCHING)
