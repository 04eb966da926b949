"""With `symlinks: refuse` each link is a failed item, and nothing is switched over while items fail."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.domain.entries import Entry
from migrator.domain.rules import rule_named
from migrator.planning.rules.entry_rule import EntryRule
from migrator.planning.rules.facts import Facts, Seen


class SymlinksRefused(EntryRule):
    """Speaks where the plan refuses links."""

    rule = rule_named("symlinks-refused")
    sentence = "the plan refuses symbolic links, and each of these fails"
    hint = "write `symlinks: keep`, or exclude them"

    def find(self, seen: Seen) -> Sequence[Entry]:
        """Links."""
        return [each for each in seen.inside if each.link is not None]

    def matters(self, facts: Facts) -> bool:
        """Whether the plan refuses them."""
        return facts.dataset.symlinks == "refuse"
