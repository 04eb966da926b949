"""Going back after the switch: which row leads on from here, and what is said where none does."""

from __future__ import annotations

from migrator.domain.phases import Phase
from migrator.errors import ChecksFailed, Refused
from migrator.orchestration.itinerary import (
    FALL_BACK,
    FALL_BACK_AT_A_LOSS,
    LOOK_BACK,
    LOOK_BACK_AT_A_LOSS,
    STAY,
    Row,
    row_from,
)
from migrator.steps.fall_back import has_switched_back, is_going_back
from migrator.steps.freeze import was_target_frozen
from migrator.steps.looking_back import changes_told, count_of, counts_in_words, named_changes
from migrator.steps.scene import Scene


def is_beyond(phase: Phase) -> bool:
    """Whether a fall back has nothing to do at `phase`: it has led there, or no freeze has begun."""
    return not phase.is_at_least(Phase.FROZEN)


def row_to_look(scene: Scene, *, accepts_loss: bool = False) -> Row | None:
    """The row that looks for changes at the target; None once users are back. Refused where no fall back serves."""
    row = row_from(LOOK_BACK_AT_A_LOSS if accepts_loss else LOOK_BACK, scene.journal.phase)
    if row is None:
        raise _no_way_from(scene)
    return None if has_switched_back(scene.journal) else row


def row_back(scene: Scene, *, accepts_loss: bool = False) -> Row:
    """The row that goes back: at a loss only where that is accepted, and where there is any by the latest look.

    What is waived may be lost although no look tells.
    """
    told = changes_told(scene.journal)
    may_lose = told is not None and (count_of(told) > 0 or bool(scene.application.waivers))
    is_at_a_loss = accepts_loss and may_lose
    row = row_from(FALL_BACK_AT_A_LOSS if is_at_a_loss else FALL_BACK, scene.journal.phase)
    assert row is not None, "it was asked before whether a fall back serves"
    return row


def row_to_stay(scene: Scene) -> Row | None:
    """The row that ends a fall back which has undone nothing, before it goes forward; None where there is none.

    Refused once a switch was undone, or may have been.
    """
    row = row_from(STAY, scene.journal.phase)
    if row is not None and is_going_back(scene.journal):
        raise Refused(
            f"`{scene.application.name}` is falling back: its switches are being undone",
            hint=f"finish that first: `migrator fall-back {scene.plan.path}`",
        )
    return row if row is not None and was_target_frozen(scene) else None


def not_approved(scene: Scene, sentence: str, gate: str | None) -> Refused:
    """The refusal at a closed gate, with what changed at the target."""
    told = changes_told(scene.journal)
    changes = "" if told is None else f"; changed at the target since the switch: {counts_in_words(told)}"
    return Refused(
        f"`{scene.application.name}`: {sentence}{changes}",
        hint=f"type it again with `--yes`, or approve it with `migrator approve {scene.plan.path} {gate}`",
        details=named_changes(scene),
    )


def gone_back(failure: ChecksFailed) -> ChecksFailed:
    """What `failure` becomes once the application has gone back because of it."""
    return ChecksFailed(
        f"{failure.message}; it has gone back, and its users are at the source again",
        hint="mend what the checks found; then the same command goes on from `seeded`",
        details=failure.details,
    )


def _no_way_from(scene: Scene) -> Refused:
    phase = scene.journal.phase
    if phase.is_at_least(Phase.ACCEPTED):
        hint = "accepted, the target is the truth: move it as a new application, the other way round"
    else:
        hint = f"before the switch, `migrator roll-back {scene.plan.path}` leads back"
    return Refused(
        f"`{scene.application.name}` is `{phase}`: a fall back leads back from `{Phase.SWITCHED_OVER}`", hint=hint
    )
