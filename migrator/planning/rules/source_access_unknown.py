"""What cannot be told is said: whoever relies on a read-only account has to look at it by other means."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named
from migrator.planning.rules.facts import Facts

RULE = rule_named("source-access-unknown")


def about(facts: Facts) -> Iterator[Finding]:
    """Speaks where the lane does not show who we are to the source."""
    if facts.source_may_be_written is None and not facts.writes_source:
        sentence = f"whether the account could write at {facts.dataset.source} cannot be told by the "
        yield facts.finds(RULE, f"{sentence}{facts.source.lane} lane", None)
