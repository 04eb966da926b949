"""`switch-over`: the guard and the smoke checks, then the one act that sends users to the target."""

from __future__ import annotations

from migrator.domain.phases import Phase
from migrator.errors import Refused, SourceMoved
from migrator.steps.fall_back import forget_way_back
from migrator.steps.freeze import thaw_target
from migrator.steps.looking_back import remember_targets
from migrator.steps.scene import Scene
from migrator.steps.smoke_checks import check_before, forget_checks
from migrator.steps.still_frozen import refuse_unless_frozen
from migrator.steps.verify import in_words
from migrator.switching.cautious import Verb, put_in_place
from migrator.switching.effect import Effect
from migrator.switching.effects import effects_of
from migrator.verification.proof import source_changes, unproven


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
        refuse_unless_frozen(scene)  # the last thing, since everything before may have taken long
        scene.journal.move(Phase.SWITCHING, "the guard holds")
    for effect in switches:
        put_in_place(effect, scene.journal, scene.on_event)


def _was_begun(scene: Scene, effect: Effect) -> bool:
    """Whether it was last meant to be put in place; an earlier switch-over may have been undone since."""
    last = scene.journal.last_effect(effect.name)
    return last is not None and last.verb == Verb.APPLY


def guard(scene: Scene) -> None:
    """Return only when every item is proven and the source has not moved since.

    Every item must be verified after the freeze and after its copy; then a complete scan of the source, taken after
    that, must show no difference. Raises Refused or SourceMoved, naming the items.
    """
    freeze_seq = scene.journal.freeze_seq
    assert freeze_seq is not None
    doubts = [line for crossing in scene.crossings() for line in unproven(crossing, freeze_seq)]
    if doubts:
        raise Refused(
            f"not everything is proven: {in_words(doubts)}",
            hint="the next run copies and verifies what is missing",
            details=tuple(doubts),
        )
    changes = [
        line
        for crossing in scene.crossings()
        for line in source_changes(crossing, read_again=scene.reads_source_again(crossing.dataset))
    ]
    if changes:
        raise SourceMoved(
            f"the source changed after the freeze: {in_words(changes)}",
            hint="find out what still writes there; the next run repeats the final sync and the verification",
            details=tuple(changes),
        )
