"""Which datasets fill one and the same file system at the target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from migrator.endpoints.contract import Space
from migrator.planning.rules.facts import Facts


@dataclass
class Shared:
    """A file system, as it was when somebody first looked, and the datasets that are to fill it."""

    space: Space
    filling: list[Facts] = field(default_factory=list)

    @property
    def applications(self) -> tuple[str, ...]:
        """Each once."""
        return tuple(dict.fromkeys(facts.application for facts in self.filling))

    @property
    def roots(self) -> tuple[str, ...]:
        """The target roots."""
        return tuple(str(facts.dataset.target) for facts in self.filling)


def shared(everything: Iterable[Facts]) -> Iterator[Shared]:
    """The file systems; one whose number cannot be told counts for each root by itself.

    What lies at a target already, adopted or brought by us and to be brought anew, is replaced and takes no more room;
    how much that is cannot be known, so that such a dataset does not count.
    """
    found: dict[object, Shared] = {}
    for facts in everything:
        is_replaced = (facts.to_copy_items or 0) > max(0, facts.items - facts.at_target_items) and facts.at_target_items
        if facts.space is None or is_replaced or (facts.is_adopting and facts.strangers):
            continue
        number = facts.space.file_system
        key = (facts.target_host, number) if number is not None else facts.dataset.target
        found.setdefault(key, Shared(facts.space)).filling.append(facts)
    yield from found.values()
