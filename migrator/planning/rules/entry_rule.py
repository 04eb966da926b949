"""What the rules about single entries have in common: they watch a scan, block by block, and speak at its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import ClassVar

from migrator.domain.entries import Entry, Unreadable, display
from migrator.domain.plan import Dataset
from migrator.domain.reports import Finding
from migrator.domain.rules import Rule
from migrator.planning.rules.facts import Facts, Seen

_NAMED = 3


class EntryRule(ABC):
    """Watches the scan of one dataset; takes the same memory for any number of entries."""

    rule: ClassVar[Rule]
    sentence: ClassVar[str]  # what there is to say; count and first names are added
    hint: ClassVar[str | None]

    def __init__(self, dataset: Dataset) -> None:  # noqa: ARG002 - some rules need to know it
        self._count = 0
        self._first: list[bytes] = []

    def observe(self, seen: Seen) -> None:
        """Take in the next block of the scan."""
        found = self.find(seen)
        if found:
            self._count += len(found)
            self._first += [each.path for each in islice(found, _NAMED - len(self._first))]

    def findings(self, facts: Facts) -> Iterator[Finding]:
        """What is to be said once the scan is over; one finding at the most."""
        if self._count and self.matters(facts):
            names = ", ".join(f"`{display(path) or '.'}`" for path in self._first)
            more = " ..." if self._count > len(self._first) else ""
            yield facts.finds(self.rule, f"{self.sentence}: {self._count:,}, {names}{more}", self.hint)

    @abstractmethod
    def find(self, seen: Seen) -> Sequence[Entry | Unreadable]:
        """The entries of a block that the rule is about; quick, as it is called for every block."""

    def matters(self, facts: Facts) -> bool:  # noqa: ARG002 - for those that some lanes or plans make pointless
        """Whether there is anything to say about this dataset."""
        return True
