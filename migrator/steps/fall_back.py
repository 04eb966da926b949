"""`fall-back`: back after the switch, with what users wrote at the target; docs/decisions/0012 has the order and why.

Copy back, prove, look once more, undo the switches, look again, thaw. Interrupted anywhere, it goes on when it is
called again: everything before the thaw is repeated, and costs little where nothing changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from migrator.domain.entries import display
from migrator.domain.events import Note, TargetChanges
from migrator.domain.phases import Phase
from migrator.errors import ChecksFailed, Incomplete, Refused
from migrator.journal.losses import Loss
from migrator.journal.manifest import ScanRecord
from migrator.steps.copying import pass_along
from migrator.steps.freeze import freeze_target, thaw
from migrator.steps.looking_back import (
    Marks,
    all_changes,
    changes_now,
    changes_told,
    count_of,
    counts_in_words,
    look,
    named_changes,
)
from migrator.steps.scene import Scene
from migrator.steps.smoke_checks import check_before
from migrator.steps.verify import in_words
from migrator.steps.ways_back import WayBack, ways_back
from migrator.switching.cautious import take_back
from migrator.switching.effects import effects_of
from migrator.transfer.course import Course
from migrator.transfer.passing import copy_pass, final_pass
from migrator.verification.proof import source_changes, source_differences
from migrator.verification.verifying import verify

_PROGRESS = "falling back"
_UNDER_WAY = "copy back under way"
_ROUNDS = 5


class Progress(StrEnum):
    """How far a fall back is, beyond which it must not be forgotten."""

    WRITING = "writing"  # the source is no longer as it was frozen
    UNDOING = "undoing"  # users may be half-way
    UNDONE = "undone"  # users are at the source, which may be thawed


def fall_back(scene: Scene) -> None:
    """Bring home what users wrote at the target, undo the switches, thaw. Refused when something would be lost."""
    _refuse_what_is_waived(scene)
    _go_back(scene, _bring_home, _bring_home_the_last)


def fall_back_at_a_loss(scene: Scene) -> None:
    """Undo the switches and thaw; exactly what was told as changed at the target is given up, and recorded as such."""
    scene.recall_abilities()
    if scene.application.waivers:
        scene.on_event(Note(f"{_waived(scene)}: that stays at the target", scene.application.name, "warning"))
    _go_back(scene, _give_up, _give_up_no_more)


def is_going_back(memory: Marks) -> bool:
    """Whether switches are being undone, or were: from then on there is no way forward."""
    return memory.marked(_PROGRESS) in (Progress.UNDOING, Progress.UNDONE)


def has_switched_back(memory: Marks) -> bool:
    """Whether users are at the source for good, and only the thaw may be left to do."""
    return memory.marked(_PROGRESS) == Progress.UNDONE


def forget_way_back(scene: Scene) -> None:
    """Before a switch begins: an earlier fall back is over."""
    scene.journal.mark(_PROGRESS, None)


def _go_back(scene: Scene, settle: Callable[[Scene], None], settle_the_last: Callable[[Scene], None]) -> None:
    ways = list(ways_back(scene))
    if _progress(scene) is not None:
        _hold_sources(scene, ways)  # a call that was cut off may have left its lease there
    if _progress(scene) is not Progress.UNDONE:
        settle(scene)
        _undo_switches(scene)
        settle_the_last(scene)
        scene.journal.mark(_PROGRESS, Progress.UNDONE)
    _check_at_home(scene)
    thaw(scene)
    _clear_away(scene, ways)
    for way in ways:
        way.record.doubt()


def _refuse_what_is_waived(scene: Scene) -> None:
    """What lies at a waived path was never compared: nobody can tell what users changed there."""
    if scene.application.waivers and _progress(scene) is not Progress.UNDONE:
        raise Refused(
            f"falling back could lose {_waived(scene)}",
            hint="bring these home by hand; then `fall-back --accept-loss` goes back, with an approval of its own",
        )


def _waived(scene: Scene) -> str:
    names = ", ".join(f"`{each.dataset}/{display(each.path)}`" for each in scene.application.waivers)
    return f"what users wrote at waived paths ({names})"


def _progress(scene: Scene) -> Progress | None:
    text = scene.journal.marked(_PROGRESS)
    return None if text is None else Progress(text)


def _bring_home(scene: Scene) -> None:
    """Return only when the sources hold what the targets hold, and the targets have stood still since they were read.

    Without a freeze of the target, users go on writing there meanwhile; what they wrote last is refused by name, and
    the next call has little left to do.
    """
    ways = list(ways_back(scene))
    if scene.application.fall_back.freeze is not None:
        if _have_changes(ways):
            _write(scene, ways, copy_pass)  # the long part, while people work
        freeze_target(scene)
        look(scene)
    if _have_changes(ways):
        _write(scene, ways, final_pass)
    elif _progress(scene) is None:
        _compare_sources(scene, ways, is_refused=False)
    _prove(ways)
    moved = [line for way in ways for line in source_changes(way.looking(), read_again=way.reads_again)]
    if moved:
        raise Refused(
            f"the target changed while it was copied back: {in_words(moved)}",
            hint="type the same command again, which copies that too; `fall_back: freeze` in the plan stops the writes",
            details=tuple(moved),
        )


def _bring_home_the_last(scene: Scene) -> None:
    """What was written while the switches were being undone: users are gone from there, so that it comes to an end."""
    ways = list(ways_back(scene))
    for _ in range(_ROUNDS):
        look(scene)
        if not _have_changes(ways):
            return
        _write(scene, ways, final_pass)
        _prove(ways)
    raise Refused(
        f"the target goes on changing although the switches are undone: {in_words(named_changes(scene))}",
        hint="find out who still writes there; then the same command goes on",
        details=named_changes(scene),
    )


def _give_up(scene: Scene) -> None:
    """Return only when what would be lost is what was told, and approved; it is recorded."""
    told = changes_told(scene.journal)
    if told is not None and not told.unknown:  # a target that cannot be reached cannot be frozen, either
        freeze_target(scene)
    _compare_sources(scene, list(ways_back(scene)), is_refused=False)
    changes = _unless_more_is_lost(scene)
    scene.journal.give_up(Loss(changes.digest, count_of(changes), changes.size_bytes), all_changes(scene))


def _give_up_no_more(scene: Scene) -> None:
    _unless_more_is_lost(scene)


def _unless_more_is_lost(scene: Scene) -> TargetChanges:
    look(scene, knows_all=False)
    changes, told = changes_now(scene), changes_told(scene.journal)
    if told is None or changes.digest != told.digest:
        raise Refused(
            f"the target has changed since the list of what would be lost was made: {counts_in_words(changes)} by now",
            hint="stop the writes there; the same command then lists anew what would be lost, to be approved",
            details=named_changes(scene),
        )
    return changes


def _have_changes(ways: Sequence[WayBack]) -> bool:
    return any(way.has_changes for way in ways)


def _write(scene: Scene, ways: Sequence[WayBack], carry: Callable[[Course], ScanRecord]) -> None:
    """One pass from the targets to the sources, if the plan allows it; the first comes only to a source as frozen."""
    if not scene.application.fall_back.source_write:
        names, changes = named_changes(scene), changes_now(scene)
        raise Refused(
            f"falling back would lose what was written at the target: {in_words(names, count_of(changes))}",
            hint="let the plan say `fall_back: {source_write: true}`, to have it copied to the source first; "
            "or give it up with `--accept-loss`",
            details=names,
        )
    _compare_sources(scene, ways, is_refused=True)
    if _progress(scene) is None:
        _say_what_is_not_kept(scene, ways)
        scene.journal.mark(_PROGRESS, Progress.WRITING)
    _hold_sources(scene, ways)
    pass_along(scene, [way.copying() for way in ways], carry, _UNDER_WAY)


def _say_what_is_not_kept(scene: Scene, ways: Sequence[WayBack]) -> None:
    for way in ways:
        lost = ", ".join(sorted(way.keep - way.kept_back()))
        if lost:
            sentence = f"dataset `{way.dataset.name}`: files that are copied back lose their {lost} at the source"
            scene.on_event(Note(sentence, scene.application.name, "warning"))


def _hold_sources(scene: Scene, ways: Sequence[WayBack]) -> None:
    if scene.application.fall_back.source_write:
        scene.hold(way.turned.target for way in ways)


def _clear_away(scene: Scene, ways: Sequence[WayBack]) -> None:
    """Remove the temporary files of a pass that was cut off, and that nobody had to finish."""
    if scene.journal.marked(_UNDER_WAY) is not None and scene.application.fall_back.source_write:
        for way in ways:
            with way.copying().open_target() as tree:
                tree.sweep()
        scene.journal.mark(_UNDER_WAY, None)


def _compare_sources(scene: Scene, ways: Sequence[WayBack], *, is_refused: bool) -> None:
    """See that the sources are there; and, unless we have written them, whether they are as they were frozen."""
    if _progress(scene) is not None:
        for way in ways:
            with scene.source(way.dataset) as tree:
                next(iter(tree.scan()))  # raises when the root is missing, which must not be made anew
        return
    moved = [line for way in ways for line in source_differences(way.forward)]
    if not moved:
        return
    sentence = f"the source is not as it was frozen: {in_words(moved)}"
    if is_refused:
        raise Refused(
            sentence,
            hint="see what was written there since the switch, and put it back as it was; "
            "or give up what was written at the target, with `--accept-loss`",
            details=tuple(moved),
        )
    scene.on_event(Note(sentence, scene.application.name, "warning"))


def _prove(ways: Sequence[WayBack]) -> None:
    """Read at the source again whatever was copied there. Raises Incomplete when it differs."""
    unproven = [way for way in ways if way.record.has_unproven()]
    found = [(way, verify(way.proving(), since_seq=0, read_source=False)) for way in unproven]
    differs = [f"{way.dataset.name}/{display(path)}: {why}" for way, each in found for path, why in each.differs]
    if differs:
        raise Incomplete(
            f"what was copied back differs at the source: {in_words(differs)}",
            hint="see whether the endpoint that writes the source leads to the same place; "
            "the same command copies these again",
            details=tuple(differs),
        )


def _undo_switches(scene: Scene) -> None:
    """Take every switch back, the last one first. From the first on, only falling back leads on."""
    switches = effects_of(scene.application, scene.place, scene.note)
    scene.journal.mark(_PROGRESS, Progress.UNDOING)
    if scene.journal.phase is not Phase.SWITCHING:
        scene.journal.move(Phase.SWITCHING, "the switches are being undone")
    for effect in reversed(switches):
        take_back(effect, scene.journal, scene.on_event)


def _check_at_home(scene: Scene) -> None:
    """Make the smoke checks of before the switch, and say how they went: users are here by now, whatever they say."""
    try:
        check_before(scene)
    except ChecksFailed as failure:
        scene.on_event(Note(str(failure), scene.application.name, "error"))
