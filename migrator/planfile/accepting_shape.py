"""The shape of a preflight warning that is accepted, and the rules about it: by the rule's name, and for a reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from migrator.domain.rules import RULES, rule_named
from migrator.planfile.fields import Text, wrong
from migrator.planfile.finding import At, Problem, applications_of
from migrator.planfile.mapping import Mapping
from migrator.planfile.remarks import did_you_mean, quoted

_WARNINGS = [rule.id for rule in RULES if rule.can_be_accepted]


def _acceptable(name: str) -> str:
    if name not in {rule.id for rule in RULES}:
        hint = did_you_mean(name, _WARNINGS, "`migrator doctor --rules` lists the rules")
        raise wrong(f"must be a preflight rule, not {quoted(name)}", hint)
    severity = rule_named(name).severity
    if severity == "error":
        raise wrong(f"names {quoted(name)}, which tells errors: they cannot be accepted", "mend what it tells")
    if severity == "note":
        raise wrong(f"names {quoted(name)}, which tells notes: they hold nobody up", "remove it")
    return name


RuleName = Annotated[Text, AfterValidator(_acceptable), Field(json_schema_extra={"enum": list(_WARNINGS)})]


class AcceptedShape(Mapping):
    """A preflight rule whose warnings are known and accepted: still shown, with the reason."""

    rule: RuleName = Field(description="Its id, as `migrator doctor --rules` lists it; warnings only.")
    reason: Text = Field(description="Why it is accepted.")


def accepting_rules(plan: At) -> Iterator[Problem]:
    """No rule is accepted twice at one place."""
    places = [plan, *plan.key("waves").items(), *(application for _, application in applications_of(plan))]
    for place in places:
        named: set[str] = set()
        for accepted in place.key("accept_findings").items():
            name = accepted.key("rule")
            if name.text() in named:
                yield Problem(name.loc, f"{quoted(name.text())} is accepted twice", "give one reason for it")
            named.add(name.text())
