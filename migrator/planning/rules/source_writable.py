"""An account that cannot write at the source cannot harm it, whatever goes wrong on our side."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named
from migrator.planning.rules.facts import Facts

RULE = rule_named("source-writable")


def about(facts: Facts) -> Iterator[Finding]:
    """Speaks of sources behind SSH that the plan does not want written; at a local one we are whoever started us."""
    if facts.source_may_be_written and not facts.writes_source and facts.source.lane != "local":
        sentence = f"the account could write at the source {facts.dataset.source}, which is declared read-only"
        yield facts.finds(
            RULE, sentence, "log in with an account that may only read, or accept it in the plan: we never write there"
        )
