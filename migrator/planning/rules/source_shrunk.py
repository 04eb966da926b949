"""A source that lost half of its items since the last pass lost a disk, or somebody cleans up too early."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named
from migrator.planning.rules.facts import Facts

RULE = rule_named("source-shrunk")

# Below it, a few files make a large share.
_FEW = 20
_SHARE = 0.5


def about(facts: Facts) -> Iterator[Finding]:
    """Speaks where less than half of what the last recorded pass saw is there."""
    last = facts.last_items
    if last is not None and last >= _FEW and facts.items_in_all < last * _SHARE:
        sentence = f"the source holds {facts.items_in_all:,} items, and {last:,} at the last pass"
        yield facts.finds(
            RULE, sentence, "find out what became of them before the next pass deletes them at the target"
        )
