"""How long the rest of a cutover will take: from what was measured, else from the plan's time-outs, else assumed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from migrator.domain.durations import duration_text
from migrator.domain.plan import Application
from migrator.domain.reports import Attempt, RecordedRehearsal

# So many attempts of the past are looked at.
HISTORY = 200
# What a step is taken to last of which nothing at all is known.
_ASSUMED_SECONDS = 600.0
_ADDED_UP = "time-outs added up"
_MEASURED = "measured before"
_REHEARSED = "rehearsed"


@dataclass(frozen=True)
class Measures:
    """The longest that each step is known to have taken: in the journal, and in a rehearsal that still holds."""

    real: Mapping[str, float]  # seconds, by step
    rehearsed: Mapping[str, float]

    def of(self, step: str) -> Part | None:
        """What is known of a step that a rehearsal carries out as the cutover does: the longer one of both."""
        rehearsed = Part(step, self.rehearsed[step], _REHEARSED) if step in self.rehearsed else None
        known = [part for part in (rehearsed, self.of_real(step)) if part is not None]
        return max(known, key=lambda part: part.seconds, default=None)

    def of_real(self, step: str) -> Part | None:
        """What is known of a step that a rehearsal only asks about."""
        return Part(step, self.real[step], _MEASURED) if step in self.real else None


@dataclass(frozen=True)
class Part:
    """One part of what is left, and where its length comes from."""

    what: str
    seconds: float
    basis: str


@dataclass(frozen=True)
class Need:
    """The time that something needs, in parts."""

    parts: tuple[Part, ...]

    @property
    def seconds(self) -> float:
        """All parts together."""
        return sum(part.seconds for part in self.parts)

    @property
    def time(self) -> dt.timedelta:
        """All parts together."""
        return dt.timedelta(seconds=self.seconds)

    @property
    def summary(self) -> str:
        """The time and where it comes from, in a few words."""
        bases = ", ".join(dict.fromkeys(part.basis for part in self.parts))
        return f"{duration_text(self.seconds)}: {bases}" if self.parts else "no time"

    @property
    def words(self) -> str:
        """Each part with where its length comes from, for people."""
        return "; ".join(f"{part.what} {duration_text(part.seconds)}: {part.basis}" for part in self.parts) or "nothing"


def measures(attempts: Iterable[Attempt], rehearsal: RecordedRehearsal | None) -> Measures:
    """What is known, from `attempts` (the newest first) and a rehearsal that holds.

    Tries that failed or were cut off count towards the one that made it: they had done a part of its work.
    """
    longest: dict[str, float] = {}
    so_far: dict[str, float] = {}
    for attempt in reversed(list(attempts)):
        if attempt.ended_at is None:
            continue
        so_far[attempt.step] = so_far.get(attempt.step, 0.0) + (attempt.ended_at - attempt.started_at).total_seconds()
        if attempt.error is None:
            longest[attempt.step] = max(longest.get(attempt.step, 0.0), so_far.pop(attempt.step))
    return Measures(longest, {} if rehearsal is None else {each.step: each.seconds for each in rehearsal.steps})


def way_back(application: Application, known: Measures) -> Need:
    """Undoing every switch, and thawing: what going back takes at the worst."""
    undo = Part("undoing the switches", _switch_timeouts(application), _ADDED_UP)
    thaw = known.of_real("roll-back") or Part("thaw", _freeze_timeout(application), _ADDED_UP)
    return Need(tuple(part for part in (undo, thaw) if part.seconds))


def switch(application: Application, known: Measures) -> Need:
    """The guard, the switches, the smoke checks after them, and a way back should these fail."""
    checks = known.of_real("check") or Part("the checks after it", _check_timeouts(application), _ADDED_UP)
    return Need(
        tuple(part for part in (*_switch_over(application, known), checks) if part.seconds)
        + way_back(application, known).parts
    )


def cutover(application: Application, known: Measures) -> Need:
    """Everything from the freeze to the checks after the switch, and a way back."""
    freeze = known.of_real("freeze") or Part("freeze", _freeze_timeout(application), _ADDED_UP)
    parts = (freeze, _final_sync(known), _like(known, "verify", "seed"))
    return Need(tuple(part for part in parts if part.seconds) + switch(application, known).parts)


def _switch_over(application: Application, known: Measures) -> Iterable[Part]:
    real = known.of_real("switch-over")
    if real is not None:
        yield real
        return
    # A rehearsal asks the switches' probes and applies none, so the switches themselves come on top.
    if "switch-over" in known.rehearsed:
        yield Part("the guard", known.rehearsed["switch-over"], _REHEARSED)
    else:
        yield Part("the guard", _like(known, "verify", "seed").seconds, "taken to last as long as verify")
    yield Part("the switches", _switch_timeouts(application), _ADDED_UP)


def _final_sync(known: Measures) -> Part:
    """A rehearsal's final sync follows its seed at once; after days of work, the catch-up tells more."""
    found, catch_up = _like(known, "final-sync", "catch-up"), known.of_real("catch-up")
    if catch_up is None or found.seconds >= catch_up.seconds:
        return found
    return Part("final-sync", catch_up.seconds, "taken to last as long as catch-up")


def _like(known: Measures, step: str, other: str) -> Part:
    """The length of a step, or of one that does as much work."""
    found = known.of(step)
    if found is not None:
        return found
    stand_in = known.of(other)
    if stand_in is not None:
        return Part(step, stand_in.seconds, f"taken to last as long as {other}")
    return Part(step, _ASSUMED_SECONDS, "assumed")


def _freeze_timeout(application: Application) -> float:
    return 0.0 if application.freeze is None else application.freeze.timeout_seconds


def _switch_timeouts(application: Application) -> float:
    return sum(each.timeout_seconds for each in application.switches)


def _check_timeouts(application: Application) -> float:
    return sum(each.timeout_seconds for each in application.checks if each.when != "before")
