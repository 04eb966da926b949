"""What is in place by our doing, which the plan must be able to take back for as long as there is a way back."""

from __future__ import annotations

import json

from migrator.domain.phases import Phase
from migrator.domain.plan import Application
from migrator.journal.application import ApplicationJournal
from migrator.steps.scene import Scene
from migrator.switching.naming import acts

_ACTS = "switched by"


def remember_acts(scene: Scene) -> None:
    """Before a switch begins: note what the switches act on."""
    scene.journal.mark(_ACTS, json.dumps(acts(scene.application)))


def cannot_be_taken_back(journal: ApplicationJournal, application: Application | None) -> str | None:
    """What is in place and has no way back in the plan, as a sentence; None for nothing, or once it is accepted.

    `application` None: the plan no longer has it.
    """
    if journal.phase.is_at_least(Phase.ACCEPTED):
        return None
    now = {} if application is None else acts(application)
    then: dict[str, str | None] = json.loads(journal.marked(_ACTS) or "{}")
    for name in journal.effects_in_place():
        if name not in now:
            return f"{name} is in place, and the plan no longer says how to take it back"
        if now[name] != then.get(name, now[name]):
            return f"{name} is in place as {then[name]}, and the plan has it as {now[name]}"
    return None
