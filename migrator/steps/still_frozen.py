"""Before the switch: whether the source is frozen still, since a reboot, a watchdog or a person may have thawed it."""

from __future__ import annotations

from migrator.errors import Refused
from migrator.steps.scene import Scene
from migrator.switching.effects import Answer, freeze_effect


def refuse_unless_frozen(scene: Scene) -> None:
    """Return only when the source, where the plan freezes it, is frozen by the word of its probe; acts on nothing.

    Raises Refused.
    """
    effect = freeze_effect(scene.application, scene.place)
    answer = Answer.IN_PLACE if effect is None else effect.probe()
    if answer is Answer.IN_PLACE:
        return
    name, path = scene.application.name, scene.plan.path
    if answer is Answer.UNKNOWN:
        raise Refused(
            f"it is not known whether the source of `{name}` is frozen still: the probe gave neither yes nor no",
            hint="see what ails the probe; then the same command asks it again",
        )
    raise Refused(
        f"the source of `{name}` is no longer frozen: its probe says no",
        hint=f"find out who thawed it; then `migrator roll-back {path}`, and freeze it anew",
    )
