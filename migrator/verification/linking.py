"""Whether names that are one file at the source are one at the target, and no others are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migrator.domain.entries import Entry, Kind, display
from migrator.movers.crossing import Crossing


class Links:
    """A look at which names of the target are one file; says nothing where `hardlinks` are not kept."""

    def __init__(self, crossing: Crossing) -> None:
        self._linked = crossing.manifest.linked
        self._is_kept = "hardlinks" in crossing.way.keep
        if self._is_kept:
            self._linked.begin_look()

    def note(self, entries: Sequence[Entry]) -> None:
        """Take in what a scan of the target has found."""
        if self._is_kept:
            self._linked.note_target([each for each in entries if each.kind is Kind.FILE and (each.links or 0) > 1])

    def faults(self) -> Iterator[list[tuple[bytes, str]]]:
        """What is not as it should be, in words; right only after a complete scan."""
        if not self._is_kept:
            return
        for block in self._linked.faults():
            yield [(path, _in_words(display(other), is_split=is_split)) for path, other, is_split in block]


def _in_words(other: str, *, is_split: bool) -> str:
    if is_split:
        return f"is a file of its own, not one with `{other}`"
    return f"is one file with `{other}`, which is another one at the source"
