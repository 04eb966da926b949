"""What is wrong at which place of a plan's text, and how the words of a plan are quoted back."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from migrator.domain.entries import display
from migrator.errors import Complaint, PlanInvalid

# Nobody reads more; a plan that is wrong in every line must not cost seconds and megabytes either.
MOST_COMPLAINTS = 500
_LONGEST_QUOTE = 80
_LONGEST_WORD = 40
_MOST_NAMES = 400


class Place(NamedTuple):
    """Where something begins in the text; both count from 1."""

    line: int
    column: int


class Remark(NamedTuple):
    """A complaint that does not know its file yet."""

    place: Place
    message: str
    hint: str


def invalid(path: Path, remarks: Iterable[Remark]) -> PlanInvalid:
    """The error that carries `remarks`, in the order of the text, each once, MOST_COMPLAINTS at most."""
    file = display(os.fsencode(path))
    ordered = sorted(set(remarks))[:MOST_COMPLAINTS]
    complaints = [Complaint(file, *each.place, each.message, each.hint) for each in ordered]
    at_least = "at least " if len(ordered) == MOST_COMPLAINTS else ""
    number = "1 problem" if len(ordered) == 1 else f"{at_least}{len(ordered)} problems"
    return PlanInvalid(f"{file}: {number}", hint="nothing was contacted or changed", complaints=tuple(complaints))


def quoted(text: str) -> str:
    """`text` between backticks, safe on a terminal and shortened."""
    shown = display(text.encode("utf-8", "surrogatepass"))
    return f"`{shown[: _LONGEST_QUOTE - 1]}…`" if len(shown) > _LONGEST_QUOTE else f"`{shown}`"


def listed(words: Iterable[str]) -> str:
    """The words, quoted, as a list in a sentence."""
    return ", ".join(quoted(word) for word in words)


def did_you_mean(word: str, names: Collection[str], otherwise: str) -> str:
    """A hint with the nearest of `names`; `otherwise` when none is near."""
    candidates = [name for name in names if len(name) <= _LONGEST_WORD][:_MOST_NAMES]
    # Among many names a vague likeness says little, and costs much to find.
    cutoff = 0.6 if len(candidates) < 100 else 0.8
    near = difflib.get_close_matches(word[:_LONGEST_WORD], candidates, n=1, cutoff=cutoff)
    return f"did you mean {quoted(near[0])}?" if near else otherwise
