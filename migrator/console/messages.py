"""Errors, findings and the next command, in words: `error:`, a blank line, `hint:`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from migrator.console.wording import count_text, printable
from migrator.domain.reports import Finding
from migrator.errors import MigratorError, PlanInvalid

_STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan", "hint": "bold green", "next": "bold"}
# More lines than this help nobody on a screen.
_DETAILS = 100


def labelled(label: str, text: str) -> Text:
    """`label: text` with the label in its colour; `text` is made safe here."""
    return Text.assemble((f"{label}:", _STYLES[label]), " ", printable(text))


def show(pen: Console, text: Text | str) -> None:
    """Print a sentence: folded between words where the terminal ends, never within a word."""
    pen.print(text, overflow="ignore", crop=False)


def show_whole(pen: Console, text: Text) -> None:
    """Print one line that is never folded, so that a command can be copied from it."""
    pen.print(text, soft_wrap=True)


def show_error(pen: Console, message: str, hint: str | None, details: Sequence[str] = ()) -> None:
    """One error, what it is about, and the way out."""
    show(pen, labelled("error", message))
    for detail in details[:_DETAILS]:
        show(pen, Text(f"  {printable(detail)}"))
    if len(details) > _DETAILS:
        show(pen, f"  and {count_text(len(details) - _DETAILS)} more")
    if hint is not None:
        show(pen, "")
        show_whole(pen, labelled("hint", hint))


def show_failure(pen: Console, error: MigratorError) -> None:
    """An error that ends a command; every complaint of an invalid plan."""
    if not isinstance(error, PlanInvalid) or not error.complaints:
        show_error(pen, error.message, error.hint, error.details)
        return
    for complaint in error.complaints:
        place = f"{complaint.file}:{complaint.line}:{complaint.column}"
        show(pen, Text.assemble((printable(place), "bold"), ": ", printable(complaint.message)))
        if complaint.hint:
            show_whole(pen, Text("  ").append_text(labelled("hint", complaint.hint)))
    show(pen, "")
    show_error(pen, error.message, error.hint)


def show_findings(pen: Console, findings: Iterable[Finding]) -> None:
    """What the rules found, errors first."""
    order = ("error", "warning", "note")
    for finding in sorted(findings, key=lambda each: order.index(each.severity)):
        who = f"{finding.application}: " if finding.application else ""
        show(pen, labelled(finding.severity, f"{who}{finding.sentence}"))
        if finding.hint is not None:
            show_whole(pen, Text("  ").append_text(labelled("hint", finding.hint)))


def show_next(pen: Console, command: str | None) -> None:
    """The command to type next."""
    if command is not None:
        show(pen, "")
        show_whole(pen, labelled("next", command))


def many(count: int, one: str, more: str) -> str:
    """`1 item`, `12 items`."""
    return f"{count_text(count)} {one if count == 1 else more}"
