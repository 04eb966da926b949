"""What the steps that copy have in common: one pass over each dataset, and what its tallies mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from migrator.domain.entries import display
from migrator.errors import Incomplete
from migrator.journal.manifest import ScanRecord
from migrator.movers.crossing import Crossing
from migrator.steps.scene import Scene
from migrator.transfer.course import Course, Tallies

# Set in the journal while a pass is under way: found set, an earlier run was cut off and may have left temp files.
_UNDER_WAY = "pass under way"


def pass_over(scene: Scene, carry: Callable[[Course], ScanRecord]) -> list[Tallies]:
    """One pass over each dataset; what each has done. Raises Incomplete when items failed, after all were tried."""
    return pass_along(scene, scene.crossings(), carry, _UNDER_WAY)


def pass_along(
    scene: Scene, crossings: Iterable[Crossing], carry: Callable[[Course], ScanRecord], under_way: str
) -> list[Tallies]:
    """The same for crossings of one direction; `under_way` names the journal's mark for it."""
    was_cut_off = scene.journal.marked(under_way) is not None
    scene.journal.mark(under_way, "yes")
    tallies = []
    for crossing in crossings:
        if was_cut_off:
            with crossing.open_target() as target:
                target.sweep(crossing.manifest.large.temp_names())
        course = Course(crossing)
        carry(course)
        tallies.append(course.tallies)
    scene.journal.mark(under_way, None)
    refuse_failures(tallies)
    return tallies


def refuse_failures(tallies: list[Tallies]) -> None:
    """Raise Incomplete when items failed, naming the first."""
    failures = [failure for each in tallies for failure in each.failures]
    count = sum(each.failed for each in tallies)
    if count:
        named = ", ".join(f"`{display(path) or '.'}` ({reason})" for path, reason in failures[:3])
        more = f" and {count - 3} more" if count > 3 else ""
        raise Incomplete(
            f"{count} items failed: {named}{more}",
            hint="`migrator export` lists them all; mend or exclude them, then type the same command again",
            details=tuple(f"{display(path) or '.'}: {reason}" for path, reason in failures),
        )
