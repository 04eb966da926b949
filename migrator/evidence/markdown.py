"""Markdown for the papers that people file: text from outside is made harmless, and HTML comes from the same pages."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence

from migrator.domain.entries import display

# A bar ends a cell also within code; `text` has escaped its own.
_UNESCAPED_BAR = re.compile(r"(?<!\\)\|")

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;width:100%}td,th{border:1px solid #999;padding:.3em .6em;text-align:left;"
    "vertical-align:top}code{background:#eee;color:#000}@media print{h2{break-before:page}}"
)


def text(words: str) -> str:
    """`words` on one line, without signs that would end a cell or begin something in Markdown or HTML."""
    shown = display(words.encode("utf-8", "surrogatepass"))
    return shown.replace("|", "\\|").replace("<", "&lt;")


def code(words: str) -> str:
    """`words` to be typed as they are: in a code span, whatever backticks they hold."""
    shown = display(words.encode("utf-8", "surrogatepass"))
    fence = "`" * (1 + max((len(run) for run in _runs(shown)), default=0))
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Rows whose cells are Markdown already; `None.` where there are none."""
    lines = [f"| {' | '.join(map(_in_cell, row))} |" for row in rows]
    if not lines:
        yield "None."
        return
    yield f"| {' | '.join(headings)} |"
    yield f"|{' --- |' * len(headings)}"
    yield from lines


def html_page(page: str, title: str) -> str:
    """A page as one HTML file that needs no other; HTML within the Markdown is shown, never carried out."""
    from markdown_it import MarkdownIt  # noqa: PLC0415 - paid for on first use

    body = MarkdownIt("js-default").render(page)
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}</body></html>\n'


def _in_cell(words: str) -> str:
    return _UNESCAPED_BAR.sub(r"\\|", words)


def _runs(words: str) -> list[str]:
    """The runs of backticks in `words`."""
    return [run for run in "".join(each if each == "`" else " " for each in words).split() if run]
