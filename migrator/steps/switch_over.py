"""`switch-over`: the guard and the smoke checks, then the one act that sends users to the target."""

from __future__ import annotations

from migrator.domain.phases import Phase
from migrator.steps.guard import guard
from migrator.steps.scene import Scene
from migrator.steps.smoke_checks import check_before, forget_checks
from migrator.switching.cautious import put_in_place
from migrator.switching.effects import effects_of


def switch_over(scene: Scene) -> None:
    """Let the guard and the checks before the switch decide, then put every switch in place, in order.

    A switch that was cut off goes on without the guard only when a switch had already been begun: users may then be
    on the target, and the source is frozen still.
    """
    switches = effects_of(scene.application, scene.place, scene.note)
    is_resumed = scene.journal.phase is Phase.SWITCHING
    if not (is_resumed and any(scene.journal.last_effect(effect.name) for effect in switches)):
        guard(scene)
        check_before(scene)
        scene.before_switching()  # all that may have taken hours, and an approval has its time
        forget_checks(scene)
        scene.journal.move(Phase.SWITCHING, "the guard holds")
    for effect in switches:
        put_in_place(effect, scene.journal, scene.on_event)
