"""`catch-up`: delta passes after the seed, while people work; they delete nothing."""

from __future__ import annotations

from migrator.steps.copying import pass_over
from migrator.steps.scene import Scene
from migrator.transfer.passing import copy_pass

_MOST_PASSES = 10
_SMALL_SHARE = 0.01
_SMALL_ITEMS = 1_000
_SHRINKING = 0.8


def catch_up(scene: Scene) -> None:
    """Exactly one pass."""
    pass_over(scene, copy_pass)


def catch_up_until_small(scene: Scene) -> None:
    """Pass after pass, until the last one was small, did not shrink by a fifth, or was the tenth."""
    previous_bytes: int | None = None
    for _ in range(_MOST_PASSES):
        tallies = pass_over(scene, copy_pass)
        items = sum(each.carried for each in tallies)
        size_bytes = sum(each.carried_bytes for each in tallies)
        if is_small(items, size_bytes, sum(scene.journal.tally().size_bytes.values())):
            return
        if previous_bytes is not None and size_bytes > _SHRINKING * previous_bytes:
            scene.note("the delta no longer shrinks from pass to pass; the rest is left to the final sync")
            return
        previous_bytes = size_bytes


def is_small(items: int, size_bytes: int, whole_bytes: int) -> bool:
    """Whether a pass of that size is good enough to freeze after it: 1 % of the bytes and 1,000 items at most."""
    return items <= _SMALL_ITEMS and size_bytes <= _SMALL_SHARE * whole_bytes
