"""A sparse file that is filled with zeros takes all of its size at the target: disk images grow tenfold."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.domain.entries import Entry
from migrator.domain.rules import rule_named
from migrator.planning.rules.entry_rule import EntryRule
from migrator.planning.rules.facts import Facts, Seen

# What a file system saves in smaller amounts, by packing tails or compressing, is no hole.
_BLOCK = 64 * 1024


class LostHoles(EntryRule):
    """Speaks where holes are not kept."""

    rule = rule_named("lost-holes")
    sentence = "holes are filled with zeros"
    hint = "the agent lane at both sides keeps `holes`; see that there is room, or accept it in the plan"

    def find(self, seen: Seen) -> Sequence[Entry]:
        """Files that take less room than their size."""
        return [each for each in seen.inside if each.allocated is not None and each.allocated + _BLOCK <= each.size]

    def matters(self, facts: Facts) -> bool:
        """Whether they are lost."""
        return not facts.keeps("holes")
