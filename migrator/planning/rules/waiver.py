"""An item that may stay behind is a loss that somebody agreed to: it is named each time the plan is read."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.domain.entries import display
from migrator.domain.plan import Application
from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named

RULE = rule_named("waiver")


def about(application: Application) -> Iterator[Finding]:
    """One finding for each waiver of the plan."""
    for waiver in application.waivers:
        sentence = f"`{waiver.dataset}/{display(waiver.path)}` may stay behind unverified: {waiver.reason}"
        yield RULE.finds(sentence, None, application.name)
