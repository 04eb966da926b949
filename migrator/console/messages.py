"""Errors, findings and the next command, in words: `error:`, a blank line, `hint:`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from migrator.console.wording import count_text, printable
from migrator.domain.reports import Finding
from migrator.errors import MigratorError, PlanInvalid

_STYLES = {
    "error": "bold red",
    "warning": "bold yellow",
    "waived": "bold cyan",
    "note": "bold cyan",
    "hint": "bold green",
    "reason": "bold",
    "next": "bold",
}
# So many applications of one finding are named.
_NAMES = 4
# More lines than this help nobody on a screen.
_DETAILS = 100


def labelled(label: str, text: str) -> Text:
    """`label: text` with the label in its colour; `text` is made safe here."""
    return Text.assemble((f"{label}:", _STYLES[label]), " ", printable(text))


def show(pen: Console, text: Text | str) -> None:
    """Print a sentence: folded between words where the terminal ends, never within a word."""
    words = str(text).split()
    has_longer_word = max(map(cell_len, words), default=0) > pen.width
    pen.print(text, soft_wrap=has_longer_word)


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
    """What the rules found, each once, errors last: the end is what stands on the screen."""
    order = ("note", "waived", "warning", "error")
    applications: dict[tuple[str, str, str | None, str | None], list[str]] = {}
    for finding in sorted(findings, key=lambda each: order.index(_label(each))):
        told = (_label(finding), finding.sentence, finding.hint, finding.waived)
        concerned = applications.setdefault(told, [])
        concerned += [finding.application] if finding.application else []
    for (label, sentence, hint, waived), names in applications.items():
        show(pen, labelled(label, _about(sentence, names)))
        if waived is not None:
            show(pen, Text("  ").append_text(labelled("reason", waived)))
        elif hint is not None:
            show_whole(pen, Text("  ").append_text(labelled("hint", hint)))


def _label(finding: Finding) -> str:
    """A warning that the plan accepts is no longer one, and nobody needs its hint."""
    return finding.severity if finding.waived is None else "waived"


def _about(sentence: str, names: list[str]) -> str:
    if not names or (len(names) == 1 and f"`{names[0]}`" in sentence):
        return sentence
    if len(names) == 1:
        return f"{names[0]}: {sentence}"
    more = f" and {count_text(len(names) - _NAMES)} more" if len(names) > _NAMES else ""
    return f"{sentence} ({', '.join(names[:_NAMES])}{more})"


def show_next(pen: Console, command: str | None) -> None:
    """The command to type next."""
    if command is not None:
        show(pen, "")
        show_whole(pen, labelled("next", command))


def many(count: int, one: str, more: str) -> str:
    """`1 item`, `12 items`."""
    return f"{count_text(count)} {one if count == 1 else more}"
