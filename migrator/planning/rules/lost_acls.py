"""Without its ACL a file may be closed to those who need it, or open to those who must not see it."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.domain.attributes import has_attribute
from migrator.domain.entries import Entry
from migrator.domain.rules import rule_named
from migrator.planning.rules.entry_rule import EntryRule
from migrator.planning.rules.facts import Facts, Seen


class LostAcls(EntryRule):
    """Speaks where ACLs are not kept."""

    rule = rule_named("lost-acls")
    sentence = "ACLs stay behind"
    hint = "a lane and a file system that keep `acls` at both sides would keep them; or accept it in the plan"

    def find(self, seen: Seen) -> Sequence[Entry]:
        """Entries with ACLs."""
        return [each for each in seen.inside if each.xattrs and has_attribute(each.xattrs, "acls")]

    def matters(self, facts: Facts) -> bool:
        """Whether they are lost."""
        return not facts.keeps("acls")
