"""`check`: the smoke checks of the plan, before the first switch and after the last one."""

from __future__ import annotations

import dataclasses
import json
from typing import Protocol

from migrator.domain.events import CheckMade
from migrator.domain.reports import CheckOutcome, Moment
from migrator.errors import ChecksFailed
from migrator.steps.scene import Scene
from migrator.switching.checks import Checking, make_checks

_MOMENTS: tuple[Moment, ...] = ("before", "after")


class _Marks(Protocol):
    def marked(self, name: str) -> str | None: ...


def check_before(scene: Scene) -> None:
    """Return only when every check before the switch passed; ChecksFailed otherwise. The outcomes are recorded."""
    _make(scene, "before", "the switch does not begin; mend it, then the same command checks again")


def check_after(scene: Scene) -> None:
    """Return only when every check after the switch passed; ChecksFailed otherwise. The outcomes are recorded."""
    _make(scene, "after", "users are at the target: mend it and run again, or go back; `accept` waits for the checks")


def forget_checks(scene: Scene) -> None:
    """Before a switch begins: what was found after an earlier one no longer counts."""
    scene.journal.mark(_mark("after"), None)


def have_passed(scene: Scene) -> bool:
    """Whether all checks after the switch are known to have passed; so it is where the plan has none."""
    if all(check.when == "before" for check in scene.application.checks):
        return True
    outcomes = _recorded(scene.journal.marked(_mark("after")))
    return bool(outcomes) and all(outcome.has_passed for outcome in outcomes)


def recorded_checks(memory: _Marks) -> tuple[CheckOutcome, ...]:
    """The latest outcome of each check, before the switch and after it."""
    return tuple(outcome for moment in _MOMENTS for outcome in _recorded(memory.marked(_mark(moment))))


def _recorded(text: str | None) -> tuple[CheckOutcome, ...]:
    return () if text is None else tuple(CheckOutcome(**each) for each in json.loads(text))


def _mark(moment: Moment) -> str:
    return f"checks {moment}"


def _make(scene: Scene, moment: Moment, hint: str) -> None:
    application = scene.application
    outcomes = make_checks(application, moment, Checking(scene.place, scene.stop))
    scene.journal.mark(_mark(moment), json.dumps([dataclasses.asdict(outcome) for outcome in outcomes]))
    for each in outcomes:
        scene.on_event(CheckMade(application.name, each.name, moment, each.has_passed, each.reason, each.seconds))
    failed = [f"{each.name}: {each.reason}" for each in outcomes if not each.has_passed]
    if failed:
        raise ChecksFailed(
            f"`{application.name}` does not pass its checks {moment} the switch: {'; '.join(failed)}",
            hint=hint,
            details=tuple(failed),
        )
