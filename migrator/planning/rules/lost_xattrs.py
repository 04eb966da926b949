"""Desktop search, object gateways and backup tools keep data in extended attributes, which would be gone."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.domain.attributes import has_attribute
from migrator.domain.entries import Entry
from migrator.domain.rules import rule_named
from migrator.planning.rules.entry_rule import EntryRule
from migrator.planning.rules.facts import Facts, Seen


class LostXattrs(EntryRule):
    """Speaks where extended attributes are not kept."""

    rule = rule_named("lost-xattrs")
    sentence = "extended attributes stay behind"
    hint = "a lane and a file system that keep `xattrs` at both sides would keep them; or accept it in the plan"

    def find(self, seen: Seen) -> Sequence[Entry]:
        """Entries with extended attributes."""
        return [each for each in seen.inside if each.xattrs and has_attribute(each.xattrs, "xattrs")]

    def matters(self, facts: Facts) -> bool:
        """Whether they are lost."""
        return not facts.keeps("xattrs")
