"""Where the applications of a wave stand: a row each, totals, errors, and what to type next."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from migrator.console.messages import many, show, show_error, show_next
from migrator.console.rows import Column, Row, show_rows
from migrator.console.wording import count_text, countdown_text, printable, size_text
from migrator.domain.durations import duration_text
from migrator.domain.entries import Class, display
from migrator.domain.phases import Phase
from migrator.domain.reports import ApplicationReport, Attempt, CutoverLimit, PutOff, RehearsalReport, Tally, WaveReport

_COLUMNS = (
    Column("APPLICATION"),
    Column("PHASE"),
    Column("ITEMS", is_number=True),
    Column("VERIFIED", is_number=True),
    Column("SIZE", is_number=True),
)
# In this order and only when there are any; verified items have a column of their own.
_OTHERS = (Class.FAILED, Class.PENDING, Class.ACKNOWLEDGED, Class.VANISHED, Class.WAIVED, Class.EXCLUDED)
_BUG = 1
_NAMED_PUT_OFF = 10
_ALARM = "bold white on red"


def show_wave(data: Console, messages: Console, report: WaveReport) -> None:
    """The rows, then (as messages) the error of each application, then the next command."""
    if report.applications:
        show_rows(data, _COLUMNS, list(_rows(report)))
    for application in report.applications:
        if application.error is not None:
            show(messages, "")
            show_error(messages, _error(application), application.hint or _hint(application))
            if _people_wait(application):
                show(messages, Text(_waiting(application), style=_ALARM))
    for sentence in (*(times.sentence for times in report.times), *(limit.sentence for limit in report.limits)):
        show(data, printable(sentence))
    show_next(data, report.next_command)


def _error(application: ApplicationReport) -> str:
    said = application.error or ""
    return said if said.startswith(f"`{application.name}`") else f"{application.name}: {said}"


def _hint(application: ApplicationReport) -> str:
    """The way out where the error itself names none."""
    if application.exit_code == _BUG:
        return "this is a bug in migrator: please report it; what is recorded is safe, and the same command goes on"
    return "`migrator status PLAN` shows where each application stands and what it waits for"


def _rows(report: WaveReport) -> Iterator[Row]:
    total = Tally()
    for wave, applications in itertools.groupby(report.applications, key=lambda each: each.wave):
        yield Row([Text(f"wave {printable(wave)}", style="bold")])
        for application in applications:
            total = total.plus(application.tally)
            name = Text(f"  {printable(application.name)}")
            yield Row([name, _phase(application.phase), *_counts(application.tally)], list(_details(application)))
    if len(report.applications) > 1:
        name = Text(many(len(report.applications), "application", "applications"), style="bold")
        otherwise = _otherwise(total)
        yield Row([Text()])
        yield Row([name, Text(), *_counts(total)], [otherwise] if otherwise else [])


def _phase(phase: Phase) -> Text:
    return Text(phase.value, style="green" if phase.is_at_least(Phase.ACCEPTED) else "")


def _counts(tally: Tally) -> tuple[Text, Text, Text]:
    if not tally.seen:
        return Text("-"), Text("-"), Text("-")
    verified = tally.of(Class.VERIFIED)
    return (
        Text(count_text(tally.seen)),
        Text(count_text(verified), style="green" if verified == tally.seen else ""),
        Text(size_text(sum(tally.size_bytes.values()))),
    )


def _details(application: ApplicationReport) -> Iterator[Text]:
    yield from _clocks(application)
    if otherwise := _otherwise(application.tally):
        yield otherwise
    yield from _put_off(application.put_off)
    for difference in application.differences:
        yield Text(printable(difference), style="red")
    attempt = application.last_attempt
    if attempt is not None and application.error is None and (attempt.error is not None or attempt.ended_at is None):
        yield Text(printable(_attempt(attempt)), style="yellow")
    for outcome in application.checks if application.error is None else ():
        if not outcome.has_passed:
            yield Text(printable(f"{outcome.name} {outcome.moment} the switch FAILED: {outcome.reason}"), style="red")
    if application.waits_for is not None:
        waits_for = printable(application.waits_for)
        yield Text(f"waits for {waits_for}" if waits_for.startswith("approval ") else waits_for, style="yellow")


def _put_off(items: Sequence[PutOff]) -> Iterator[Text]:
    """What keeps changing while it is read, and how often it was tried."""
    for item in items[:_NAMED_PUT_OFF]:
        tries = many(item.tries, "time", "times")
        yield Text(printable(f"put off {tries}: {item.dataset}: {display(item.path)}: {item.reason}"), style="yellow")
    if len(items) > _NAMED_PUT_OFF:
        yield Text("more were put off: `migrator export PLAN` lists them as pending, with the reason", style="yellow")


def _people_wait(application: ApplicationReport) -> bool:
    """Whether writes are stopped, and users not yet switched over."""
    return application.frozen_for_seconds is not None and not application.phase.is_at_least(Phase.SWITCHED_OVER)


def _waiting(application: ApplicationReport) -> str:
    """Said with every refusal under freeze: how long it has lasted, and how to give the cutover up."""
    assert application.frozen_for_seconds is not None
    said = f"{printable(application.name)}: FROZEN for {duration_text(application.frozen_for_seconds)}"
    if application.phase is Phase.SWITCHING:
        return f"{said}, and users are half-way"
    return f"{said}: mend it soon, or give the cutover up with `migrator roll-back`, which thaws"


def _clocks(application: ApplicationReport) -> Iterator[Text]:
    if application.frozen_for_seconds is not None:
        yield _freeze(application.phase, duration_text(application.frozen_for_seconds))
    if application.cutover_limit is not None and application.phase.is_at_least(Phase.SEEDED):
        yield from abort_lines(application.cutover_limit)
    if application.rehearsal is not None and not application.phase.is_at_least(Phase.SWITCHED_OVER):
        yield _rehearsal(application.rehearsal)


def abort_lines(limit: CutoverLimit) -> Iterator[Text]:
    """Until when the cutover can be given up, and how long that is from now."""
    left = (limit.abort_by - dt.datetime.now(dt.UTC)).total_seconds()
    yield Text(f"{printable(limit.sentence)}; {countdown_text(left)}", style="" if left > 0 else "bold red")


def _rehearsal(rehearsal: RehearsalReport) -> Text:
    at = f"{rehearsal.ended_at.astimezone():%Y-%m-%d %H:%M}"
    if rehearsal.expired is not None:
        return Text(printable(f"rehearsal of {at} does not count: {rehearsal.expired}"), style="yellow")
    steps = ", ".join(f"{each.step} {duration_text(each.seconds)}" for each in rehearsal.steps)
    return Text(printable(f"rehearsed {at}, holds: {steps}"))


def _freeze(phase: Phase, age: str) -> Text:
    """Loud while people wait for the switch; afterwards the source merely stays as it is."""
    if phase.is_at_least(Phase.SWITCHED_OVER):
        return Text(f"source frozen for {age}")
    if not phase.is_at_least(Phase.FROZEN):
        return Text(f"perhaps FROZEN for {age}: a freeze was begun and has not been confirmed", style=_ALARM)
    return Text(f"FROZEN for {age}", style=_ALARM)


def _attempt(attempt: Attempt) -> str:
    at = f"{attempt.started_at.astimezone():%Y-%m-%d %H:%M}"
    if attempt.ended_at is None:
        return f"last attempt: {attempt.step} at {at} has not ended: it goes on, or was cut off"
    return f"last attempt: {attempt.step} at {at} failed: {attempt.error}"


def _otherwise(tally: Tally) -> Text:
    parts = [
        Text(f"{count_text(tally.of(state))} {state.value}", style="bold red" if state is Class.FAILED else "")
        for state in _OTHERS
        if tally.of(state)
    ]
    if tally.foreign:
        parts.append(Text(f"{count_text(tally.foreign)} foreign (only at the target)"))
    return Text(", ").join(parts)
