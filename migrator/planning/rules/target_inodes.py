"""Inodes run out before the room does where files are many and small, and the error then speaks of a full disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named
from migrator.planning.rules.facts import Facts
from migrator.planning.rules.file_systems import shared

RULE = rule_named("target-inodes")


def about(everything: Sequence[Facts]) -> Iterator[Finding]:
    """Sums up what all applications bring to each file system that counts inodes; each of them is told."""
    for disk in shared(everything):
        wanted, free = sum(facts.to_copy_items or 0 for facts in disk.filling), disk.space.free_inodes
        if free is not None and wanted > free:
            sentence = f"{wanted:,} items to copy, {free:,} inodes free at {', '.join(disk.roots)}"
            hint = "make room at the target, or give its file system more inodes"
            yield from (RULE.finds(sentence, hint, name) for name in disk.applications)
