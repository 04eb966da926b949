"""docs/how-it-works.md shows the itinerary as the program has it."""

from __future__ import annotations

import re
from pathlib import Path

from migrator.domain.entries import Class
from migrator.domain.phases import Gate, Phase
from migrator.orchestration.itinerary import CATCH_UP, CHECK_AFTER, FALL_BACK, FALL_BACK_AT_A_LOSS, FORWARD, ROLL_BACK

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-it-works.md").read_text(encoding="utf-8")


def shown() -> list[tuple[str, ...]]:
    """From, step, gate, to: the cells of the table, without the one for people."""
    table = PAGE.partition("## The itinerary")[2].partition("\n\n`migrator run`")[0]
    rows = [line.strip("| ").split("|") for line in table.splitlines() if line.startswith("| `")]
    return [tuple(cells[place].strip().replace("`", "") for place in (0, 1, 2, 4)) for cells in rows]


def test_the_table_is_the_itinerary() -> None:
    # What goes on after an interruption has a sentence below the table; retiring the source is not carried out yet.
    rows = [row for row in FORWARD if row.start not in (Phase.SWITCHING, Phase.ACCEPTED)]
    rows.insert(rows.index(next(row for row in rows if row.start is Phase.SEEDED)), CATCH_UP)
    rows.insert(rows.index(next(row for row in rows if row.start is Phase.SWITCHED_OVER)), CHECK_AFTER)
    wanted = [(row.start.value, row.step, row.gate.value if row.gate else "", row.end.value) for row in rows]
    back = f"{ROLL_BACK[0].start} to {ROLL_BACK[-1].start}"
    after = f"{FALL_BACK[0].start} to {FALL_BACK[-1].start}"
    assert shown() == [
        *wanted,
        (back, "roll-back", Gate.ROLL_BACK.value, Phase.SEEDED.value),
        (after, "fall-back", Gate.FALL_BACK.value, Phase.SEEDED.value),
    ]
    assert {row.end for row in (*ROLL_BACK, *FALL_BACK, *FALL_BACK_AT_A_LOSS)} == {Phase.SEEDED}


def test_every_class_is_explained() -> None:
    assert set(re.findall(r"^\| `([a-z]+)` \| [^|]+ \|$", PAGE, re.MULTILINE)) == set(Class)
