"""What the steps that copy have in common: one pass over each dataset, and what its tallies mean."""

from __future__ import annotations

from collections.abc import Callable

from migrator.domain.entries import display
from migrator.errors import Incomplete
from migrator.journal.manifest import ScanRecord
from migrator.steps.scene import Scene
from migrator.transfer.course import Course, Tallies

# Set in the journal while a pass is under way: found set, an earlier run was cut off and may have left temp files.
_UNDER_WAY = "pass under way"


def pass_over(scene: Scene, carry: Callable[[Course], ScanRecord]) -> list[Tallies]:
    """One pass over each dataset; what each has done. Raises Incomplete when items failed, after all were tried."""
    tallies = passes_over(scene, carry)
    refuse_failures(tallies)
    return tallies


def passes_over(scene: Scene, carry: Callable[[Course], ScanRecord]) -> list[Tallies]:
    """One pass over each dataset; what each has done, failures included."""
    was_cut_off = scene.journal.marked(_UNDER_WAY) is not None
    scene.journal.mark(_UNDER_WAY, "yes")
    tallies = []
    for crossing in scene.crossings():
        if was_cut_off:
            with crossing.open_target() as target:
                target.sweep(crossing.manifest.large.temp_names())
        course = Course(crossing)
        carry(course)
        tallies.append(course.tallies)
    scene.journal.mark(_UNDER_WAY, None)
    return tallies


def refuse_failures(tallies: list[Tallies]) -> None:
    """Raise Incomplete, with the first failures by name, when there are any."""
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
