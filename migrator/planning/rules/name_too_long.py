"""No file system of Linux takes a longer name: such items would fail, one by one, at the end of a long night."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.domain.entries import Entry
from migrator.domain.rules import rule_named
from migrator.planning.rules.entry_rule import EntryRule
from migrator.planning.rules.facts import Seen

_LONGEST = 255  # NAME_MAX


class NameTooLong(EntryRule):
    """Speaks wherever there are any."""

    rule = rule_named("name-too-long")
    sentence = "names are longer than 255 bytes"
    hint = "rename them at the source, or exclude them"

    def find(self, seen: Seen) -> Sequence[Entry]:
        """Entries whose own name is too long."""
        return [
            each for each in seen.inside if len(each.path) > _LONGEST and len(each.path.rpartition(b"/")[2]) > _LONGEST
        ]
