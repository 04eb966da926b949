"""What a row of the torture is, and which modules have rows.

A module has its rows in a tuple `ROWS`. The short form of a row is a test in tests/faults that calls the same `run`
with a larger stride.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# In the order of the table. They are imported late: a row that is not asked for need not be able to run here.
MODULES = (
    "torture.killed_calls",
    "torture.random_kills",
    "torture.fail_points",
    "torture.failing_io",
    "torture.power_cut",
    "torture.hostile_peers",
    "torture.bit_flips",
    "torture.resume",
    "torture.model",
    "torture.flipped_state",
)


@dataclass(frozen=True)
class Options:
    """What a row is asked for."""

    folder: Path  # of its own, empty; removed afterwards
    stride: int = 1  # take every so-manieth point; 1: all of them
    seed: int = 1  # for what is drawn by lot, and for where a stride begins

    def count(self, full: int) -> int:
        """How many rounds to go where `full` is the full number."""
        return max(1, full // self.stride)


@dataclass(frozen=True)
class Outcome:
    """What came of a row."""

    tried: int  # kills, cuts, flips ...: what `Row.about` counts
    violations: tuple[str, ...] = ()  # a line each; names the point, so that it can be repeated
    words: str = ""  # figures worth a cell of the table


@dataclass(frozen=True)
class Row:
    """One kind of torture. `run` raises only when it could not be carried out."""

    name: str
    about: str  # what is done, and what must hold
    run: Callable[[Options], Outcome]


def all_rows() -> dict[str, Row]:
    """Every row by its name, in the order of the table."""
    rows: list[Row] = [row for module in MODULES for row in importlib.import_module(module).ROWS]
    by_name = {row.name: row for row in rows}
    if len(by_name) < len(rows):
        raise ValueError("two rows have the same name")
    return by_name
