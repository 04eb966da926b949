"""What every effect is: something outside the journal that can be probed, applied and undone."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable


class Answer(StrEnum):
    """The answer to "is the effect in place?"; unknown is never taken for yes or no."""

    IN_PLACE = "in place"
    NOT_IN_PLACE = "not in place"
    HALF_WAY = "half-way"  # between the two: neither, and both `apply` and `undo` can go on from there
    UNKNOWN = "unknown"


class Doubt(NamedTuple):
    """Why a probe's answer was unknown: the rest of a sentence, and what to do."""

    sentence: str
    hint: str | None


@runtime_checkable
class Doubting(Protocol):
    """An effect whose probe can say more than that its answer is unknown."""

    @property
    def doubt(self) -> Doubt | None:
        """Why the last probe's answer was unknown; None when it was clear."""


class Effect(Protocol):
    """Something outside the journal that one act puts in place and another takes back."""

    @property
    def application(self) -> str:
        """The application it belongs to."""

    @property
    def name(self) -> str:
        """How the journal and people know it: "freeze", "switch 1 (symlink)"."""

    def probe(self) -> Answer:
        """Whether it is in place; changes nothing. EndpointUnavailable when the host cannot be reached."""

    def prepare(self) -> str | None:
        """What `undo` will need and `apply` will overwrite, to be recorded before `apply`; None when nothing."""

    def apply(self) -> None:
        """Put it in place; Refused when that fails, after which only a probe knows how things stand."""

    def undo(self, prepared: str | None) -> None:
        """Take it back, given what `prepare` returned then; Refused when that fails."""
