"""Whoever approves a switch should have read what a record says now, and what it will say."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named
from migrator.planning.rules.dns_facts import RecordFacts

RULE = rule_named("dns-record")

_LONGEST_VALUE = 120


def about(facts: RecordFacts) -> Iterator[Finding]:
    """One note for each record."""
    new = _short(facts.switch.value)
    if facts.is_in_place:
        now = f"says {new} already"
    elif facts.values:
        now = f"says {_short(', '.join(facts.values))} (TTL {facts.ttl_seconds} s), and will say {new}"
    else:
        now = f"does not exist, and will say {new}"
    yield RULE.finds(f"{facts.record} {now}", None, facts.application)


def _short(value: str) -> str:
    return value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}…"
