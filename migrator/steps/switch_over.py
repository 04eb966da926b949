"""`switch-over`: the guard and the smoke checks, then the one act that sends users to the target."""

from __future__ import annotations

from migrator.domain.phases import Phase
from migrator.steps.fall_back import forget_way_back
from migrator.steps.freeze import thaw_target
from migrator.steps.guard import guard
from migrator.steps.looking_back import remember_targets
from migrator.steps.scene import Scene
from migrator.steps.smoke_checks import check_before, forget_checks
from migrator.steps.still_frozen import refuse_unless_frozen
from migrator.switching.cautious import Verb, put_in_place
from migrator.switching.effect import Effect
from migrator.switching.effects import effects_of


def switch_over(scene: Scene) -> None:
    """Let the guard and the checks before the switch decide, then put every switch in place, in order.

    A switch that was cut off goes on without the guard only when a switch had already been begun: users may then be
    on the target, and the source is frozen still.
    """
    switches = effects_of(scene.application, scene.place, scene.note)
    is_resumed = scene.journal.phase is Phase.SWITCHING
    if not (is_resumed and any(_was_begun(scene, effect) for effect in switches)):
        guard(scene)
        thaw_target(scene)
        check_before(scene)
        forget_checks(scene)
        forget_way_back(scene)
        remember_targets(scene)
        refuse_unless_frozen(scene)  # nearly the last thing, since everything before may have taken hours
        scene.before_switching()  # for the same reason: an approval has its time
        scene.journal.move(Phase.SWITCHING, "the guard holds")
    for effect in switches:
        put_in_place(effect, scene.journal, scene.on_event)


def _was_begun(scene: Scene, effect: Effect) -> bool:
    """Whether it was last meant to be put in place; an earlier switch-over may have been undone since."""
    last = scene.journal.last_effect(effect.name)
    return last is not None and last.verb == Verb.APPLY
