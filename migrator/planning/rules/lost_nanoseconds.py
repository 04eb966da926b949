"""Build tools and caches compare times: cut to whole seconds, files look older than what was made from them."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.domain.entries import Entry
from migrator.domain.rules import rule_named
from migrator.planning.rules.entry_rule import EntryRule
from migrator.planning.rules.facts import Facts, Seen

_SECOND = 1_000_000_000


class LostNanoseconds(EntryRule):
    """Speaks where the target is written by SFTP, whose times are whole seconds."""

    rule = rule_named("lost-nanoseconds")
    sentence = "times are cut to whole seconds"
    hint = None

    def find(self, seen: Seen) -> Sequence[Entry]:
        """Entries whose time is no whole second."""
        return [each for each in seen.inside if each.mtime_ns % _SECOND]

    def matters(self, facts: Facts) -> bool:
        """Whether they are lost."""
        return facts.target.lane == "sftp"
