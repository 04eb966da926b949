"""What the plan wants kept must be within the reach of both lanes, or the copy would be refused half-way."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named
from migrator.planning.rules.facts import Facts

RULE = rule_named("keep-words")


def about(facts: Facts) -> Iterator[Finding]:
    """One finding for each word and side that lacks it."""
    asked = frozenset(facts.dataset.keep or ())
    for side, abilities in (("source", facts.source), ("target", facts.target)):
        for word in sorted(asked - abilities.keeps):
            sentence = f"the {abilities.lane} lane at the {side} cannot keep `{word}`"
            hint = f"take `{word}` out of `keep`, or choose a lane and a file system at the {side} that carry it"
            yield facts.finds(RULE, sentence, hint)
