"""SFTP shows neither links, attributes nor holes: what would be lost of them cannot be counted, only said."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named
from migrator.planning.rules.facts import Facts

RULE = rule_named("unseen-losses")

_LOSSES = {
    "hardlinks": "hard links become separate files",
    "xattrs": "extended attributes stay behind",
    "acls": "ACLs stay behind",
    "holes": "holes are filled with zeros",
}


def about(facts: Facts) -> Iterator[Finding]:
    """Speaks where the source's lane does not show what it loses."""
    lost = [sentence for word, sentence in _LOSSES.items() if word not in facts.source.keeps]
    if lost:
        lanes = f"{facts.source.lane} -> {facts.target.lane}"
        sentence = f"how much of it there is cannot be known ({lanes}): {', '.join(lost)}"
        yield facts.finds(RULE, sentence, None)
