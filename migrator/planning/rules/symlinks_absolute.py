"""An absolute link keeps its text: at the target it leads to whatever has that path there."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.domain.entries import Entry
from migrator.domain.rules import rule_named
from migrator.planning.rules.entry_rule import EntryRule
from migrator.planning.rules.facts import Facts, Seen


class SymlinksAbsolute(EntryRule):
    """Speaks wherever there are any."""

    rule = rule_named("symlinks-absolute")
    sentence = "symbolic links are absolute and keep their text"
    hint = "see that these paths are right at the target"

    def find(self, seen: Seen) -> Sequence[Entry]:
        """Links whose text begins with a slash."""
        return [each for each in seen.inside if each.link is not None and each.link[:1] == b"/"]

    def matters(self, facts: Facts) -> bool:
        """Whether links are carried at all."""
        return facts.dataset.symlinks == "keep"
