"""Rows of short cells, each with details below it: readable at 80 columns, and nothing is cut or broken in a name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from migrator.console.messages import show

_GAP = "  "
# A longer name stands on a line of its own, so that the columns stay where they are.
_WIDEST_NAME = 26
_DETAIL_INDENT = 4


class Column(NamedTuple):
    """A heading, and whether numbers stand below it."""

    heading: str
    is_number: bool = False


class Row(NamedTuple):
    """One cell a column, or fewer; and what is to be said about them, a line each."""

    cells: Sequence[Text]
    details: Sequence[Text] = ()


def show_rows(pen: Console, columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Print the headings and the rows, aligned."""
    widest_name = max(_WIDEST_NAME, pen.width // 3)
    widths = [_width(index, column, rows) for index, column in enumerate(columns)]
    widths[0] = min(widths[0], widest_name)
    headings = [Text(column.heading, style="bold") for column in columns]
    show(pen, _line(headings, columns, widths))
    for row in rows:
        name, *others = row.cells
        if others and name.cell_len > widths[0]:
            show(pen, name)
            name = Text()
        show(pen, _line([name, *others], columns, widths))
        for detail in row.details:
            show_detail(pen, detail)


def show_detail(pen: Console, detail: Text) -> None:
    """Print an indented line; where it must be folded, its other lines are indented as well."""
    pen.print(Padding(detail, (0, 0, 0, _DETAIL_INDENT), expand=False))


def _width(index: int, column: Column, rows: Sequence[Row]) -> int:
    """What the heading and the cells need; a row of one cell is a heading within the table and needs nothing."""
    cells = (row.cells[index].cell_len for row in rows if 1 < len(row.cells) > index)
    return max([len(column.heading), *cells])


def _line(cells: Sequence[Text], columns: Sequence[Column], widths: Sequence[int]) -> Text:
    line = Text()
    for cell, column, width in zip(cells, columns, widths, strict=False):
        blank = " " * max(0, width - cell.cell_len)
        line.append_text(Text(blank).append_text(cell) if column.is_number else cell.copy().append(blank))
        line.append(_GAP)
    line.rstrip()
    return line
