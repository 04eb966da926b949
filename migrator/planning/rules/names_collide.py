"""Where the target takes two names for one, the second file would replace the first: data lost without a word."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named
from migrator.planning.rules.facts import Facts
from migrator.planning.rules.names_alike import in_words

RULE = rule_named("names-collide")


def about(facts: Facts) -> Iterator[Finding]:
    """Speaks where the target was seen to take such names for one."""
    if facts.alike_count and facts.folds_names:
        sentence = f"{in_words(facts)}; the file system at {facts.dataset.target} takes them for one"
        yield facts.finds(RULE, sentence, "rename or exclude one of each, or choose a target that tells them apart")
