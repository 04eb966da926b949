"""Who can read the key of a zone can send its users anywhere."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named
from migrator.planning.rules.dns_facts import RecordFacts

RULE = rule_named("dns-key")


def about(facts: RecordFacts) -> Iterator[Finding]:
    """Speaks where the file is open to everybody on this machine."""
    if facts.is_key_open:
        switch = facts.switch
        sentence = f"everybody on this machine can read {switch.key_file}, the key that changes {switch.zone}"
        yield RULE.finds(sentence, f"chmod o= {shlex.quote(str(switch.key_file))}", facts.application)
