"""A file with two names becomes two: it takes its room twice, and a change by one name no longer shows by the other."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.domain.entries import Entry, Kind
from migrator.domain.rules import rule_named
from migrator.planning.rules.entry_rule import EntryRule
from migrator.planning.rules.facts import Facts, Seen


class LostHardLinks(EntryRule):
    """Speaks where hard links are not kept."""

    rule = rule_named("lost-hard-links")
    sentence = "hard links become separate files"
    hint = "the agent lane at both sides keeps `hardlinks`; or accept it in the plan"

    def find(self, seen: Seen) -> Sequence[Entry]:
        """Files that have other names."""
        return [each for each in seen.inside if each.links is not None and each.links > 1 and each.kind is Kind.FILE]

    def matters(self, facts: Facts) -> bool:
        """Whether they are lost."""
        return not facts.keeps("hardlinks")
