"""`switch-over`: the guard and the smoke checks, then the one act that sends users to the target."""

from __future__ import annotations

from migrator.domain.phases import Phase
from migrator.steps.fall_back import forget_way_back
from migrator.steps.freeze import thaw_target
from migrator.steps.guard import guard
from migrator.steps.in_place import remember_acts
from migrator.steps.looking_back import remember_targets
from migrator.steps.scene import Scene
from migrator.steps.smoke_checks import check_before, forget_checks
from migrator.steps.still_frozen import refuse_unless_frozen
from migrator.switching.cautious import put_in_place
from migrator.switching.effects import effects_of


def switch_over(scene: Scene) -> None:
    """Let the guard and the checks before the switch decide, then put every switch in place, in order.

    `switching` begins with the intent of the first one. What was cut off after that goes on without the guard: users
    may be on the target, and the source is frozen still.
    """
    if scene.journal.phase is not Phase.SWITCHING:
        guard(scene)
        thaw_target(scene)
        check_before(scene)
        forget_checks(scene)
        forget_way_back(scene)
        remember_targets(scene)
        remember_acts(scene)
        refuse_unless_frozen(scene)  # nearly the last thing, since everything before may have taken hours
        scene.before_switching()  # for the same reason: an approval has its time
        scene.stop.check()
        scene.stop.lift()  # what begins now is finished, also after hours
    for effect in effects_of(scene.application, scene.place, scene.note):
        put_in_place(effect, scene.journal, scene.on_event, Phase.SWITCHING)
