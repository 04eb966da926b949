"""A target that holds something we did not bring is not ours to write into, unless the operator says so."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.domain.entries import display
from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named
from migrator.domain.shadow import is_shadow
from migrator.planning.rules.facts import Facts

RULE = rule_named("strangers")


def about(facts: Facts) -> Iterator[Finding]:
    """Speaks before the first copy."""
    if facts.strangers and not facts.is_adopting:
        named = ", ".join(f"`{display(path)}`" for path in facts.strangers[:3])
        hint = "empty it, choose another, or run with `--adopt` to keep what is equal and replace what is not"
        if is_shadow(facts.dataset.target):
            hint = "move it away: a rehearsal needs that place for itself, and removes nothing of others"
        yield facts.finds(RULE, f"the target {facts.dataset.target} already holds entries: {named} ...", hint)
