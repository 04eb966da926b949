"""`freeze` and `thaw`: writes stopped, and allowed again: at the source, and at the target of a fall back."""

from __future__ import annotations

from migrator.domain.events import Note
from migrator.errors import MigratorError, Refused, WindowOver
from migrator.steps.scene import Scene
from migrator.switching.cautious import Verb, put_in_place, take_back
from migrator.switching.effect import Effect
from migrator.switching.effects import freeze_effect, target_freeze_effect


def freeze(scene: Scene) -> None:
    """Return when the plan's probe says that the source is frozen; a source declared static needs nothing.

    A freeze that fails is given up, and whatever of it is in place taken back: nobody waits for it any more.
    """
    effect = freeze_effect(scene.application, scene.place)
    if effect is None:
        return
    try:
        put_in_place(effect, scene.journal, scene.on_event)
    except (Refused, WindowOver):
        last = scene.journal.last_effect(effect.name)
        if last is not None and last.verb == Verb.APPLY:
            _give_up(scene, effect)
        raise


def thaw(scene: Scene) -> None:
    """Return when the plan's probe says that the source is not frozen (any more)."""
    effect = freeze_effect(scene.application, scene.place)
    if effect is not None:
        take_back(effect, scene.journal, scene.on_event)


def freeze_target(scene: Scene) -> None:
    """Return when the plan's probe says that nobody writes at the target; without `fall_back: freeze`, at once."""
    effect = target_freeze_effect(scene.application, scene.place)
    if effect is not None:
        put_in_place(effect, scene.journal, scene.on_event)


def thaw_target(scene: Scene) -> None:
    """Return when the plan's probe says that the target may be written."""
    effect = target_freeze_effect(scene.application, scene.place)
    if effect is not None:
        take_back(effect, scene.journal, scene.on_event)


def was_target_frozen(scene: Scene) -> bool:
    """Whether the latest that we did about it was to stop the writes at the target, or to try."""
    effect = target_freeze_effect(scene.application, scene.place)
    last = None if effect is None else scene.journal.last_effect(effect.name)
    return last is not None and last.verb == Verb.APPLY


def _give_up(scene: Scene, effect: Effect) -> None:
    """Thaw after a freeze that failed, whatever the hour; where that fails as well, say so: the first error follows."""
    scene.stop.lift()
    try:
        take_back(effect, scene.journal, scene.on_event)
    except MigratorError as error:
        sentence = f"the source may be frozen, and could not be thawed: {error}; `migrator roll-back` tries again"
        scene.on_event(Note(sentence, scene.application.name, "error"))
