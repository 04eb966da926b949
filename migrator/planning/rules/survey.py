"""One scan of a source, watched by all rules about entries at once: each block is looked at once and let go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from migrator.domain.entries import Entry, Kind, Unreadable
from migrator.domain.filters import SPECIAL_FILE, Filter
from migrator.domain.plan import Application, Dataset
from migrator.domain.reports import Finding
from migrator.planning.rules.alike import Alike
from migrator.planning.rules.facts import Facts, Seen
from migrator.planning.rules.registry import ENTRY_RULES


class Sorted(NamedTuple):
    """A block of a scan, as a journal takes it."""

    inside: Sequence[Entry]
    left_out: Sequence[tuple[Entry, str]]
    unreadable: Sequence[Unreadable]


class Survey:
    """What a scan shows of one dataset. Its memory is bounded, however large the tree is."""

    def __init__(self, application: Application, dataset: Dataset) -> None:
        self.items = 0  # that belong to the dataset
        self.files = 0
        self.size_bytes = 0
        self.excluded = 0
        self.root: Entry | None = None
        self.alike = Alike()
        self._filter = Filter(dataset.exclude, application.waived_in(dataset.name))
        self._rules = [rule(dataset) for rule in ENTRY_RULES]

    @property
    def seen(self) -> int:
        """All items so far, excluded ones too."""
        return self.items + self.excluded

    def take(self, block: Sequence[Entry | Unreadable]) -> Sorted:
        """Take in the next block; how the plan sorts it."""
        inside, left_out = self._filter.split([each for each in block if isinstance(each, Entry)])
        inside, waived = self._filter.waive(inside)
        unreadable = [each for each in block if isinstance(each, Unreadable) and not self._filter.hides(each.path)]
        special = [entry for entry, reason in left_out if reason == SPECIAL_FILE]
        if self.root is None and inside:
            self.root = inside[0]
        self.items += len(inside)
        self.files += sum([entry.kind is Kind.FILE for entry in inside])
        self.size_bytes += sum([entry.size for entry in inside])
        self.excluded += len(left_out) + len(waived)
        self.alike.observe(inside)
        seen = Seen(inside, special, unreadable)
        for rule in self._rules:
            rule.observe(seen)
        return Sorted(inside, [*left_out, *waived], unreadable)

    def findings(self, facts: Facts) -> Iterator[Finding]:
        """What the rules about entries have to say, once the scan is over."""
        for rule in self._rules:
            yield from rule.findings(facts)
