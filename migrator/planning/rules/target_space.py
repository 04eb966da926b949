"""A target that fills up stops every application that shares it, in the middle of the night."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named
from migrator.planning.rules.facts import Facts
from migrator.planning.rules.file_systems import shared

RULE = rule_named("target-space")


def about(everything: Sequence[Facts]) -> Iterator[Finding]:
    """Sums up what all applications bring to each file system; each of them is told."""
    for disk in shared(everything):
        wanted = sum(facts.to_copy_bytes or 0 for facts in disk.filling)
        if wanted > disk.space.free_bytes:
            sentence = f"{wanted:,} bytes to copy, {disk.space.free_bytes:,} free at {', '.join(disk.roots)}"
            hint = "make room at the target, or exclude what need not move"
            yield from (RULE.finds(sentence, hint, name) for name in disk.applications)
