"""An old server lacks what we rely on for speed and safety, and is seldom still looked after."""

from __future__ import annotations

import re
from collections.abc import Iterator

from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named
from migrator.planning.rules.facts import Facts

RULE = rule_named("server-version")

_OLDEST = (7, 4)  # the oldest that distributions with extended support still ship
_VERSION = re.compile(r"OpenSSH_(\d+)\.(\d+)")


def about(facts: Facts) -> Iterator[Finding]:
    """Speaks of an OpenSSH server that is too old; of others nothing is known."""
    for side, place, abilities in (
        ("source", facts.dataset.source, facts.source),
        ("target", facts.dataset.target, facts.target),
    ):
        found = _VERSION.search(abilities.peer)
        if found and (int(found[1]), int(found[2])) < _OLDEST:
            sentence = f"the server at the {side} `{place.endpoint}` is old: {abilities.peer}"
            yield facts.finds(RULE, sentence, "rehearse the wave, and ask the provider for a newer one")
