"""A link that leads out of the dataset points at something that does not move with it, and may be missing then."""

from __future__ import annotations

import os
from collections.abc import Sequence

from migrator.domain.entries import Entry
from migrator.domain.plan import Dataset
from migrator.domain.rules import rule_named
from migrator.planning.rules.entry_rule import EntryRule
from migrator.planning.rules.facts import Facts, Seen


class SymlinksEscaping(EntryRule):
    """Speaks wherever there are any; decides by the texts alone, as links are never followed."""

    rule = rule_named("symlinks-escaping")
    sentence = "symbolic links lead out of the dataset"
    hint = "see that what they lead to is there at the target as well; or accept it in the plan"

    def __init__(self, dataset: Dataset) -> None:
        super().__init__(dataset)
        self._root = dataset.source.path

    def find(self, seen: Seen) -> Sequence[Entry]:
        """Links whose text leads out of the root."""
        return [each for each in seen.inside if each.link is not None and self._escapes(each.path, each.link)]

    def matters(self, facts: Facts) -> bool:
        """Whether links are carried at all."""
        return facts.dataset.symlinks == "keep"

    def _escapes(self, path: bytes, text: bytes) -> bool:
        if text.startswith(b"/"):
            place = os.path.normpath(text)
            return place != self._root and not place.startswith(self._root.rstrip(b"/") + b"/")
        place = os.path.normpath(os.path.join(os.path.dirname(path), text))
        return place == b".." or place.startswith(b"../")
