"""From the names on the command line to waves and applications of the plan."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from migrator.domain.plan import Application, EndpointSpec, Plan, Wave
from migrator.errors import UsageError

Thing = TypeVar("Thing", Wave, Application, EndpointSpec)


@dataclass(frozen=True)
class Selection:
    """What `--wave` and `--application` say."""

    wave: str | None = None
    application: str | None = None


def the_wave(plan: Plan, selection: Selection) -> tuple[Wave, tuple[Application, ...]]:
    """The one wave to work on, and which of its applications; UsageError when it is not clear or not there."""
    chosen = every_wave(plan, selection)
    if len(chosen) != 1:
        raise UsageError(
            f"the plan has {len(plan.waves)} waves", hint=f"say which: --wave {' | '.join(w.name for w in plan.waves)}"
        )
    return chosen[0]


def every_wave(plan: Plan, selection: Selection) -> list[tuple[Wave, tuple[Application, ...]]]:
    """The waves to work on, each with its chosen applications; all of them when nothing was chosen."""
    waves = plan.waves
    if selection.wave is not None:
        waves = (named(plan.waves, selection.wave, "the plan has no wave named"),)
    if selection.application is None:
        return [(wave, wave.applications) for wave in waves]
    everywhere = [application for wave in waves for application in wave.applications]
    where = f"wave `{selection.wave}` has" if selection.wave is not None else "the plan has"
    chosen = named(everywhere, selection.application, f"{where} no application named")
    return [(plan.wave_of(chosen.name), (chosen,))]


def named(things: Sequence[Thing], name: str, complaint: str) -> Thing:
    """The thing of that name; UsageError, with `complaint` before the name, when there is none."""
    for thing in things:
        if thing.name == name:
            return thing
    names = [thing.name for thing in things]
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean `{close[0]}`?" if close else f"there are: {', '.join(names)}"
    raise UsageError(f"{complaint} `{name}`", hint=hint)
