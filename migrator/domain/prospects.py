"""What a dry run says of each item, in one of three words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Word = Literal["would do", "cannot know", "nothing to do"]


@dataclass(frozen=True, slots=True)
class Prospect:
    """One gate, step or dataset of an application, as a run that began now would find it."""

    word: Word
    application: str
    item: str  # "gate freeze", "seed", "dataset files"
    sentence: str  # what, or why not
