"""What a reviewer should see beside the lines of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Annotation:
    """One remark on a line of a file; `line` and `column` count from 1."""

    file: str  # relative to the current folder where it lies below it
    line: int
    column: int
    severity: Literal["error", "warning", "note"]
    rule: str  # "plan" for the text of the plan itself, else the finding's
    sentence: str
    hint: str | None = None
    application: str | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """A plan as CI shows it: every remark, and which applications were looked at."""

    file: str
    applications: tuple[str, ...]
    annotations: tuple[Annotation, ...]
