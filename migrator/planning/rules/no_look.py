"""An endpoint that cannot be looked at: what was in the way, told apart by what people do about it."""

from __future__ import annotations

from migrator.domain.reports import Finding
from migrator.domain.rules import Rule, rule_named
from migrator.errors import (
    EndpointUnavailable,
    HostKeyRefused,
    LoginRefused,
    MigratorError,
    SafetyStop,
    Unreachable,
)

# The more special class first.
_RULES: tuple[tuple[type[MigratorError], Rule], ...] = (
    (HostKeyRefused, rule_named("host-key")),
    (LoginRefused, rule_named("login")),
    (Unreachable, rule_named("unreachable")),
    (EndpointUnavailable, rule_named("dataset-root")),
    (SafetyStop, rule_named("hostile-listing")),
)
_OTHERWISE = rule_named("endpoint")


def about(error: MigratorError, application: str) -> Finding:
    """The finding that tells of the error."""
    rule = next((rule for kind, rule in _RULES if isinstance(error, kind)), _OTHERWISE)
    return rule.finds(str(error), error.hint, application)
