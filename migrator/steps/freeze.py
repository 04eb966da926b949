"""`freeze` and `thaw`: writes at the source stopped, and allowed again."""

from __future__ import annotations

from migrator.domain.events import Note
from migrator.errors import MigratorError, Refused
from migrator.steps.scene import Scene
from migrator.switching.cautious import Verb, put_in_place, take_back
from migrator.switching.effect import Effect
from migrator.switching.effects import freeze_effect


def freeze(scene: Scene) -> None:
    """Return when the plan's probe says that the source is frozen; a source declared static needs nothing.

    A freeze that fails is given up, and whatever of it is in place taken back: nobody waits for it any more.
    """
    effect = freeze_effect(scene.application, scene.place)
    if effect is None:
        return
    try:
        put_in_place(effect, scene.journal, scene.on_event)
    except Refused:
        last = scene.journal.last_effect(effect.name)
        if last is not None and last.verb == Verb.APPLY:
            _give_up(scene, effect)
        raise


def thaw(scene: Scene) -> None:
    """Return when the plan's probe says that the source is not frozen (any more)."""
    effect = freeze_effect(scene.application, scene.place)
    if effect is not None:
        take_back(effect, scene.journal, scene.on_event)


def _give_up(scene: Scene, effect: Effect) -> None:
    """Thaw after a freeze that failed; where that fails as well, say so, since the error to come is the first one."""
    try:
        take_back(effect, scene.journal, scene.on_event)
    except MigratorError as error:
        sentence = f"the source may be frozen, and could not be thawed: {error}; `migrator roll-back` tries again"
        scene.on_event(Note(sentence, scene.application.name, "error"))
