"""Where no command is run, the clock cannot be asked; that it was not is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named

RULE = rule_named("clock-unknown")


@dataclass(frozen=True, slots=True)
class Clock:
    """What is known of the clock of an endpoint."""

    endpoint: str
    offset_seconds: float | None  # how far it is ahead of this machine's; None: it could not be asked
    error_seconds: float = 0.0  # what the way there and back makes unsure


def about(clock: Clock, application: str) -> Iterator[Finding]:
    """Speaks where the clock could not be asked."""
    if clock.offset_seconds is None:
        yield RULE.finds(f"the clock of `{clock.endpoint}` cannot be asked by its lane", None, application)
