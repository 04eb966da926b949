"""`verify`: prove equality from bytes that are read again."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.domain.entries import display
from migrator.errors import Incomplete, SourceMoved, Unproven
from migrator.movers.crossing import Crossing
from migrator.steps.essence import essence_text
from migrator.steps.scene import Scene
from migrator.verification.proof import source_changes
from migrator.verification.trusting import trust_unchanged
from migrator.verification.verifying import Findings, verify

_SINCE = "verify command began at seq"


def verify_under_freeze(scene: Scene) -> None:
    """Verify every item after the freeze; an interrupted verification goes on where it stopped.

    Raises SourceMoved when the source is no longer what was copied, Incomplete when the target differs.
    """
    since_seq = scene.journal.freeze_seq
    assert since_seq is not None
    if scene.application.verify_under_freeze == "changed":
        for crossing in scene.crossings():
            _trust_unchanged(scene, crossing, since_seq)
    found = [
        (crossing, verify(crossing, since_seq, read_source=scene.reads_source_again(crossing.dataset)))
        for crossing in scene.crossings()
    ]
    moved = [line for crossing, each in found for line in _named(crossing, each.moved_on)]
    if moved:
        raise SourceMoved(
            f"the source changed after the freeze: {in_words(moved, sum(each.moved_on_count for _, each in found))}",
            hint="find out what still writes there; the next run repeats the final sync and the verification",
            details=tuple(moved),
        )
    _refuse_differences(_differences(found), sum(each.differs_count for _, each in found))
    for crossing, _ in found:
        _begin_proof(scene, crossing)


def _trust_unchanged(scene: Scene, crossing: Crossing, since_seq: int) -> None:
    trusted = trust_unchanged(crossing, since_seq)
    if trusted is None:
        crossing.warn(
            "a lane sees no ctime, so that nothing verified before the freeze can be trusted: all is read again"
        )
    elif trusted:
        name = crossing.dataset.name
        scene.note(
            f"dataset `{name}`: {trusted} files were verified before the freeze, and moved on neither side since"
        )


def _begin_proof(scene: Scene, crossing: Crossing) -> None:
    """The verification is one half of the proof of freeze; a complete scan under the same freeze must lie before it."""
    dataset = crossing.dataset
    read = "hash" if scene.reads_source_again(dataset) else "stat"
    if not scene.journal.begin_proof(dataset.name, essence_text(scene.plan, dataset), read):
        raise Unproven(
            f"dataset `{dataset.name}`: the source was not listed completely under this freeze",
            hint="the next run repeats the final sync, which lists it",
        )


def verify_now(scene: Scene, *, both_sides: bool) -> None:
    """Read everything again, at whatever phase; raises Incomplete with the differences.

    An interrupted call goes on where it stopped. With `both_sides` the source as it is now is compared, too.
    """
    scene.pool.get_ready()  # movers start while the journal is asked what there is to read
    since_seq = _since(scene)
    found: list[tuple[Crossing, Findings]] = []
    changed: list[str] = []
    for crossing in scene.crossings():
        if both_sides:
            changed += source_changes(crossing, read_again=False)
        found.append((crossing, verify(crossing, since_seq, read_source=both_sides)))
    scene.journal.mark(_SINCE, None)
    moved = [line for crossing, each in found for line in _named(crossing, each.moved_on)]
    count = sum(each.differs_count + each.moved_on_count for _, each in found) + len(changed)
    _refuse_differences(_differences(found) + changed + moved, count)


def _differences(found: Sequence[tuple[Crossing, Findings]]) -> list[str]:
    """What differs at the target, named for people; the first hundred of each dataset."""
    return [line for crossing, each in found for line in _named(crossing, each.differs)]


def _refuse_differences(lines: Sequence[str], count: int) -> None:
    """Raise Incomplete when there are any; `lines` are the first of them."""
    if lines:
        raise Incomplete(
            f"{count} difference{'s' if count > 1 else ''}: {in_words(lines, count)}",
            hint="before the switch the next run copies these again; after it they are only reported",
            details=tuple(lines),
        )


def in_words(lines: Sequence[str], count: int | None = None) -> str:
    """The first few of many lines, and how many more there are; `count` of them, where not all are among the lines."""
    count = len(lines) if count is None else count
    more = f" and {count - 3} more" if count > 3 else ""
    return ", ".join(lines[:3]) + more


def _named(crossing: Crossing, rows: Sequence[tuple[bytes, str]]) -> list[str]:
    return [f"{crossing.dataset.name}/{display(path)}: {reason}" for path, reason in rows]


def _since(scene: Scene) -> int:
    """The seq after which a verification counts for this call: that of the call which was cut off, or now."""
    marked = scene.journal.marked(_SINCE)
    if marked is not None:
        return int(marked)
    now = scene.journal.current_seq()
    scene.journal.mark(_SINCE, str(now))
    return now
