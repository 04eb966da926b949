"""Who needs an application of another wave waits for that wave, which is worth knowing before the night."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from migrator.domain.phases import Phase
from migrator.domain.plan import Application, Plan
from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named

RULE = rule_named("needs-open")


def about(plan: Plan, application: Application, phase_of: Callable[[str], Phase]) -> Iterator[Finding]:
    """Speaks of needs in other waves that are not switched over; until then `application` is not frozen."""
    own = plan.wave_of(application.name)
    for need in application.needs:
        wave = plan.wave_of(need)
        if wave.name != own.name and not phase_of(need).is_at_least(Phase.SWITCHED_OVER):
            sentence = f"`{application.name}` still needs `{need}`, which moves in wave `{wave.name}` and is "
            yield RULE.finds(
                f"{sentence}`{phase_of(need).value}`: it is not frozen before that is switched over",
                None,
                application.name,
            )
