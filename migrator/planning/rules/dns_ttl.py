"""For as long as its time to live, users who asked just before the switch keep the old value of a record."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named
from migrator.planning.rules.dns_facts import RecordFacts

RULE = rule_named("dns-ttl")

# What may still be called short.
_SHORT_SECONDS = 300


def about(facts: RecordFacts) -> Iterator[Finding]:
    """Speaks where the record lives longer than the plan's own time and five minutes."""
    most = min(facts.switch.ttl_seconds, _SHORT_SECONDS)
    if facts.is_in_place or facts.ttl_seconds is None or facts.ttl_seconds <= most:
        return
    sentence = (
        f"{facts.record} has a TTL of {facts.ttl_seconds} s: for so long after the switch some users still "
        "come to the source"
    )
    hint = f"lower it to {most} s, at least {facts.ttl_seconds} s before the cutover"
    yield RULE.finds(sentence, hint, facts.application)
