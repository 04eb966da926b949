"""Only root may give files away: as anybody else, everything would belong to the account that writes."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named
from migrator.planning.rules.facts import Facts

RULE = rule_named("owner")


def about(facts: Facts) -> Iterator[Finding]:
    """Speaks where the plan asks for owners and the account cannot set them."""
    if "owner" in (facts.dataset.keep or ()) and not facts.may_set_owner:
        hint = "log in as root there, run as root here, or take `owner` out of `keep`"
        yield facts.finds(RULE, "`keep: owner` needs root at the target", hint)
