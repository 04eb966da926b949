"""`freeze` and `thaw`: writes at the source stopped, and allowed again."""

from __future__ import annotations

from migrator.steps.scene import Scene
from migrator.switching.cautious import put_in_place, take_back
from migrator.switching.effects import freeze_effect


def freeze(scene: Scene) -> None:
    """Return when the plan's probe says that the source is frozen; a source declared static needs nothing."""
    effect = freeze_effect(scene.application, scene.place)
    if effect is not None:
        put_in_place(effect, scene.journal, scene.on_event)


def thaw(scene: Scene) -> None:
    """Return when the plan's probe says that the source is not frozen (any more)."""
    effect = freeze_effect(scene.application, scene.place)
    if effect is not None:
        take_back(effect, scene.journal, scene.on_event)
