"""Where the applications of a wave stand, as a table with totals."""

from __future__ import annotations

import itertools

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from migrator.console.messages import labelled, many, show, show_next
from migrator.console.wording import count_text, duration_text, printable, size_text
from migrator.domain.entries import Class
from migrator.domain.phases import Phase
from migrator.domain.reports import ApplicationReport, Tally, WaveReport

# In this order and only when there are any; verified items have a column of their own.
_OTHERS = (Class.FAILED, Class.PENDING, Class.ACKNOWLEDGED, Class.VANISHED, Class.WAIVED, Class.EXCLUDED)
# At and after this phase, items that are neither verified nor set aside are worth a colour.
_ALARMING = frozenset({Class.FAILED})


def plain_table(*headings: tuple[str, bool]) -> Table:
    """A table without frames; each heading with whether its column holds numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for heading, is_number in headings:
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=is_number, overflow="fold")
    return table


def show_wave(pen: Console, report: WaveReport) -> None:
    """The table, then each error with its differences, then the next command."""
    if report.applications:
        pen.print(_table(report))
    for application in report.applications:
        _show_trouble(pen, application)
    show_next(pen, report.next_command)


def _table(report: WaveReport) -> Table:
    table = plain_table(
        ("APPLICATION", False),
        ("PHASE", False),
        ("VERIFIED", True),
        ("SIZE", True),
        ("OTHERWISE", False),
        ("WAITS FOR", False),
    )
    total = Tally()
    for wave, applications in itertools.groupby(report.applications, key=lambda each: each.wave):
        table.add_row(Text(f"wave {printable(wave)}", style="bold"))
        for application in applications:
            total = total.plus(application.tally)
            table.add_row(
                Text(f"  {printable(application.name)}"),
                _phase(application),
                *_counts(application.tally),
                Text(printable(application.waits_for or "")),
            )
    if len(report.applications) > 1:
        table.add_section()
        table.add_row(Text(many(len(report.applications), "application", "applications")), "", *_counts(total), "")
    return table


def _phase(application: ApplicationReport) -> Text:
    text = Text(application.phase.value, style="green" if application.phase.is_at_least(Phase.ACCEPTED) else "")
    if application.frozen_for_seconds is not None:
        text.append("\n")
        text.append(f"FROZEN for {duration_text(application.frozen_for_seconds)}", style="bold white on red")
    return text


def _counts(tally: Tally) -> tuple[Text, Text, Text]:
    others = [(state, tally.of(state)) for state in _OTHERS if tally.of(state)]
    otherwise = Text(", ").join(
        Text(f"{count_text(count)} {state.value}", style="bold red" if state in _ALARMING else "")
        for state, count in others
    )
    if tally.foreign:
        otherwise.append(f"{', ' if others else ''}{count_text(tally.foreign)} foreign")
    return (
        Text(f"{count_text(tally.of(Class.VERIFIED))} of {count_text(tally.seen)}" if tally.seen else "-"),
        Text(size_text(sum(tally.size_bytes.values())) if tally.seen else "-"),
        otherwise,
    )


def _show_trouble(pen: Console, application: ApplicationReport) -> None:
    if application.error is None and not application.differences:
        return
    show(pen, "")
    show(pen, labelled("error", f"{application.name}: {application.error or 'differences were found'}"))
    for difference in application.differences:
        show(pen, Text(f"  {printable(difference)}"))
    if application.hint is not None:
        show(pen, "")
        show(pen, labelled("hint", application.hint))
