"""An empty source is most often a disk that is not mounted, or a wrong path."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named
from migrator.planning.rules.facts import Facts

RULE = rule_named("source-empty")


def about(facts: Facts) -> Iterator[Finding]:
    """Speaks where nothing but folders would move."""
    if facts.files == 0:
        sentence = f"the source {facts.dataset.source} holds no files"
        yield facts.finds(RULE, sentence, "see that it is mounted, and that path and `exclude` are right")
