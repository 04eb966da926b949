"""A program that lost its setuid bit or capabilities fails for everybody but root, often unnoticed for days."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.domain.attributes import has_attribute
from migrator.domain.entries import Entry
from migrator.domain.rules import rule_named
from migrator.planning.rules.entry_rule import EntryRule
from migrator.planning.rules.facts import Facts, Seen

_SETID = 0o6000


class LostSetid(EntryRule):
    """Speaks where the plan does not ask for them."""

    rule = rule_named("lost-setid")
    sentence = "setuid and setgid bits and file capabilities fall"
    hint = "name `setid` in `keep` where they are wanted and trusted; or accept it in the plan"

    def find(self, seen: Seen) -> Sequence[Entry]:
        """Entries with such bits, or with capabilities."""
        return [
            each
            for each in seen.inside
            if (each.mode & _SETID and each.link is None) or (each.xattrs and has_attribute(each.xattrs, "setid"))
        ]

    def matters(self, facts: Facts) -> bool:
        """Whether they are lost."""
        return not facts.keeps("setid")
