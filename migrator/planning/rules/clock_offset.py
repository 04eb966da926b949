"""Logins by token, certificates and caches at the target go by its clock, and so does everybody who reads logs."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named
from migrator.planning.rules.clock_unknown import Clock

RULE = rule_named("clock-offset")

_MOST_SECONDS = 5.0


def about(clock: Clock, application: str) -> Iterator[Finding]:
    """Speaks where the clocks differ by more than five seconds and what the answer took."""
    offset = clock.offset_seconds
    if offset is not None and abs(offset) > _MOST_SECONDS + clock.error_seconds:
        ahead = "ahead of" if offset > 0 else "behind"
        sentence = f"the clock of `{clock.endpoint}` is {abs(offset):,.0f} s {ahead} that of this machine"
        yield RULE.finds(sentence, "set both by NTP; migrator itself goes by no clock", application)
