"""What an accepted change of the plan means for an application that is already under way."""

from __future__ import annotations

import json

from migrator.domain.phases import Phase
from migrator.domain.plan import Application, Dataset, Plan
from migrator.errors import PlanChanged
from migrator.journal.application import ApplicationJournal

_RECORDED = "planned as"


def would_start_again(journal: ApplicationJournal, plan: Plan, application: Application) -> bool:
    """Whether `go_by` would send the application back to `planned`; raises what it would raise."""
    recorded = journal.marked(_RECORDED)
    if recorded is None:
        return False
    changed = changed_datasets(json.loads(recorded), _essences(plan, application))
    if changed and journal.phase.is_at_least(Phase.FROZEN):
        raise PlanChanged(
            f"`{application.name}` is `{journal.phase}`, but its dataset `{changed[0]}` changed in the plan",
            hint=f"roll it back first: `migrator roll-back {plan.path} --application {application.name}`",
        )
    return bool(changed) and journal.phase is not Phase.PLANNED


def go_by(journal: ApplicationJournal, plan: Plan, application: Application) -> None:
    """Make the journal fit the plan as it is now: a dataset that moves differently is no longer taken for copied.

    Raises PlanChanged when the application is too far along for that.
    """
    now = _essences(plan, application)
    recorded = journal.marked(_RECORDED)
    before: dict[str, dict[str, str]] = json.loads(recorded) if recorded is not None else {}
    changed = changed_datasets(before, now) if recorded is not None else []
    if recorded is not None and not changed:
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
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))


def _essences(plan: Plan, application: Application) -> dict[str, dict[str, str]]:
    return {dataset.name: _essence(plan, dataset) for dataset in application.datasets}


def _essence(plan: Plan, dataset: Dataset) -> dict[str, str]:
    """What makes a copy of yesterday a copy of today."""
    return {
        "source": f"{plan.endpoint(dataset.source.endpoint).whereabouts}:{dataset.source.path!r}",
        "target": f"{plan.endpoint(dataset.target.endpoint).whereabouts}:{dataset.target.path!r}",
        "keep": ",".join(sorted(dataset.keep)) if dataset.keep is not None else "default",
        "symlinks": dataset.symlinks,
    }
