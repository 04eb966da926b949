"""What an accepted change of the plan means for an application that is already under way."""

from __future__ import annotations

import json

from migrator.domain.phases import Phase
from migrator.domain.plan import Application, Plan
from migrator.errors import PlanChanged
from migrator.journal.application import ApplicationJournal
from migrator.steps.essence import SCOPE, essences
from migrator.steps.in_place import cannot_be_taken_back

_RECORDED = "planned as"


def would_start_again(journal: ApplicationJournal, plan: Plan, application: Application) -> bool:
    """Whether `go_by` would send the application back to `planned`; raises what it would raise.

    What is in place must stay in the plan, as it is, for as long as somebody may want it taken back.
    Before a freeze the next pass sees to a change of what is excluded; under it, what counts has been settled.
    """
    refuse_to_forget(journal, plan, application.name, application)
    recorded = journal.marked(_RECORDED)
    if recorded is None:
        return False
    before, now = json.loads(recorded), essences(plan, application)
    changed = changed_datasets(before, now)
    is_settled = journal.phase.is_at_least(Phase.FROZEN)
    if is_settled and (changed := changed or rescoped_datasets(before, now)):
        raise PlanChanged(
            f"`{application.name}` is `{journal.phase}`, but its dataset `{changed[0]}` changed in the plan",
            hint=_way_out(journal, plan, application.name),
        )
    return bool(changed) and journal.phase is not Phase.PLANNED


def refuse_to_forget(journal: ApplicationJournal, plan: Plan, name: str, application: Application | None) -> None:
    """Return only when the plan can still take back what is in place; `application` None: it is no longer in the plan.

    Raises PlanChanged.
    """
    lost = cannot_be_taken_back(journal, application)
    if lost is not None:
        raise PlanChanged(f"`{name}` is `{journal.phase}`: {lost}", hint=_way_out(journal, plan, name))


def go_by(journal: ApplicationJournal, plan: Plan, application: Application) -> None:
    """Make the journal fit the plan as it is now: a dataset that moves differently is no longer taken for copied.

    Raises PlanChanged when the application is too far along for that.
    """
    refuse_to_forget(journal, plan, application.name, application)
    now = essences(plan, application)
    recorded = journal.marked(_RECORDED)
    before: dict[str, dict[str, str]] = json.loads(recorded) if recorded is not None else {}
    changed = changed_datasets(before, now) if recorded is not None else []
    if recorded is not None and not changed and not rescoped_datasets(before, now):
        return
    starts_again = would_start_again(journal, plan, application)
    for name in (name for name in changed if name in before):
        if before[name].get("target") == now.get(name, {}).get("target"):
            journal.manifest(name).distrust()
        else:
            journal.manifest(name).forget()
    if starts_again:
        journal.move(Phase.PLANNED, f"the plan changed for dataset {', '.join(changed)}")
    journal.mark(_RECORDED, json.dumps(now, sort_keys=True))


def changed_datasets(before: dict[str, dict[str, str]], now: dict[str, dict[str, str]]) -> list[str]:
    """The datasets that are new, gone, or go another way."""
    return sorted(name for name in {*before, *now} if _way(before.get(name)) != _way(now.get(name)))


def rescoped_datasets(before: dict[str, dict[str, str]], now: dict[str, dict[str, str]]) -> list[str]:
    """The datasets of which something else is excluded than before."""
    both = before.keys() & now.keys()
    # What an earlier version recorded says nothing of it.
    return sorted(name for name in both if before[name].get(SCOPE, now[name][SCOPE]) != now[name][SCOPE])


def _way_out(journal: ApplicationJournal, plan: Plan, name: str) -> str:
    if journal.phase.is_at_least(Phase.ACCEPTED):
        return "accepted, the target is the truth: what is to move on from there is a new application"
    command = "fall-back" if journal.phase.is_at_least(Phase.SWITCHING) else "roll-back"
    return f"with the plan as it was, `migrator {command} {plan.path} --application {name}` leads back; then change it"


def _way(essence: dict[str, str] | None) -> dict[str, str] | None:
    return None if essence is None else {key: value for key, value in essence.items() if key != SCOPE}
