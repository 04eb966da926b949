"""Two names that differ in case or Unicode form only are one to a share for Windows or macOS, and to most people."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.domain.entries import display
from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named
from migrator.planning.rules.facts import Facts

RULE = rule_named("names-alike")


def about(facts: Facts) -> Iterator[Finding]:
    """Speaks where the target tells such names apart, or nobody knows."""
    if facts.alike_count and not facts.folds_names:
        sure = "" if facts.folds_names is False else "; whether the target tells them apart cannot be known"
        yield facts.finds(RULE, f"{in_words(facts)}{sure}", None)
    elif not facts.is_comparison_complete:
        sentence = "a folder holds so many names that not all of them were compared for case and Unicode form"
        yield facts.finds(RULE, sentence, None)


def in_words(facts: Facts) -> str:
    """How many there are, and the first of them."""
    pairs = ", ".join(f"`{display(one)}` and `{display(other)}`" for one, other in facts.alike)
    more = " ..." if facts.alike_count > len(facts.alike) else ""
    return f"names differ only in case or in Unicode form: {facts.alike_count:,}, {pairs}{more}"
