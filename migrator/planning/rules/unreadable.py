"""What cannot be listed cannot be copied or proven: the application would never come to its switch."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.domain.entries import Unreadable
from migrator.domain.rules import rule_named
from migrator.planning.rules.entry_rule import EntryRule
from migrator.planning.rules.facts import Seen


class UnreadableFolders(EntryRule):
    """Speaks wherever there are any."""

    rule = rule_named("unreadable")
    sentence = "folders cannot be listed, and would fail"
    hint = "give the account access, exclude them, or waive them by name"

    def find(self, seen: Seen) -> Sequence[Unreadable]:
        """Folders that cannot be listed."""
        return seen.unreadable
