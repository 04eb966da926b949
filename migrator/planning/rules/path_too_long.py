"""A longer path is carried, but no program at the target can open the file by its whole path."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.domain.entries import Entry
from migrator.domain.plan import Dataset
from migrator.domain.rules import rule_named
from migrator.planning.rules.entry_rule import EntryRule
from migrator.planning.rules.facts import Seen

_LONGEST = 4095  # PATH_MAX without its NUL


class PathTooLong(EntryRule):
    """Speaks wherever there are any."""

    rule = rule_named("path-too-long")
    sentence = "paths at the target are longer than the 4,095 bytes that programs can open"
    hint = "shorten them at the source, choose a shorter target, or accept it in the plan"

    def __init__(self, dataset: Dataset) -> None:
        super().__init__(dataset)
        self._longest = _LONGEST - len(dataset.target.path) - 1

    def find(self, seen: Seen) -> Sequence[Entry]:
        """Entries whose path would be too long at the target."""
        longest = self._longest
        return [each for each in seen.inside if len(each.path) > longest]
