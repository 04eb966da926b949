"""Names are carried byte by byte, but a program, a share or a web server at the target may not take them."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.domain.entries import Entry
from migrator.domain.rules import rule_named
from migrator.planning.rules.entry_rule import EntryRule
from migrator.planning.rules.facts import Seen


class NamesNotUtf8(EntryRule):
    """Speaks wherever there are any."""

    rule = rule_named("names-not-utf8")
    sentence = "names are not UTF-8; they are carried as they are"
    hint = None

    def find(self, seen: Seen) -> Sequence[Entry]:
        """Entries whose path is not UTF-8."""
        if _is_utf8(b"/".join([each.path for each in seen.inside])):  # nearly always, and far quicker than one by one
            return ()
        return [each for each in seen.inside if not _is_utf8(each.path)]


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
