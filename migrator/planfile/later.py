"""The parts of the plan format that this version reads and does not carry out yet, so that none is passed over."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.domain.plan import Application, Plan

_SENTENCE = "is not carried out yet"


def not_carried_out(plan: Plan, application: Application) -> tuple[tuple[str, str], ...]:
    """Step and sentence of each such part that bears on `application`, in the order of the itinerary.

    The itinerary must not pass the step.
    """
    del application  # what is left bears on all of them
    return tuple((step, f"{what} {_SENTENCE}") for step, what in _of_calendar(plan))


def _of_calendar(plan: Plan) -> Iterator[tuple[str, str]]:
    if plan.calendar.bandwidth:
        yield "seed", "calendar: `bandwidth`"
