"""FIFOs, sockets and devices are made by programs: whoever needs them at the target must make them there."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.domain.entries import Entry
from migrator.domain.rules import rule_named
from migrator.planning.rules.entry_rule import EntryRule
from migrator.planning.rules.facts import Seen


class SpecialFiles(EntryRule):
    """Speaks wherever there are any."""

    rule = rule_named("special-files")
    sentence = "special files stay behind"
    hint = "see that the application makes them by itself; or accept it in the plan"

    def find(self, seen: Seen) -> Sequence[Entry]:
        """Special files."""
        return seen.special
