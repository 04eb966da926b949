"""The parts of the plan format that this version reads and does not carry out yet, so that none is passed over."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.domain.plan import Application, Calendar, Plan, Wave

_SENTENCE = "is not carried out yet"
_STEPS = (
    "preflight",
    "seed",
    "catch-up",
    "freeze",
    "final-sync",
    "verify",
    "switch-over",
    "accept",
    "decommission",
)


def not_carried_out(plan: Plan, application: Application) -> tuple[tuple[str, str], ...]:
    """Step and sentence of each such part that bears on `application`, in the order of the itinerary.

    The itinerary must not pass the step.
    """
    wave = plan.wave_of(application.name)
    found = [
        *_of_calendar(plan.calendar),
        *_of_wave(wave),
        *_of_application(application),
    ]
    sentences = ((step, f"{what} {_SENTENCE}") for step, what in found)
    return tuple(sorted(sentences, key=lambda part: _STEPS.index(part[0])))


def _of_calendar(calendar: Calendar) -> Iterator[tuple[str, str]]:
    if calendar.bandwidth:
        yield "seed", "calendar: `bandwidth`"
    if calendar.closed:
        yield "freeze", "calendar: `closed`"


def _of_wave(wave: Wave) -> Iterator[tuple[str, str]]:
    if wave.first_day or wave.last_day:
        yield "seed", f"wave `{wave.name}`: `window`"
    if wave.cutover:
        yield "freeze", f"wave `{wave.name}`: `cutover`"


def _of_application(application: Application) -> Iterator[tuple[str, str]]:
    parts = [
        (
            application.verify_under_freeze != "all",
            "verify",
            f"`verify_under_freeze: {application.verify_under_freeze}`",
        ),
        *((True, "switch-over", f"the gate `{gate}`") for gate in application.gates),
    ]
    for is_used, step, what in parts:
        if is_used:
            yield step, f"application `{application.name}`: {what}"
