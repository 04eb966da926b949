"""`final-sync`: the last delta, under freeze, deletions included."""

from __future__ import annotations

from migrator.domain.entries import display
from migrator.errors import Refused
from migrator.steps.copying import passes_over, refuse_failures
from migrator.steps.scene import Scene
from migrator.transfer.passing import final_pass


def final_sync(scene: Scene) -> None:
    """Make every target equal to its source.

    Raises Refused, naming the files, when the source shows that it is not frozen; Incomplete when other items failed.
    """
    tallies = passes_over(scene, final_pass)
    moved = [f"{display(path)}: {reason}" for each in tallies for path, reason in each.restless]
    if moved:
        count = sum(each.restless_count for each in tallies)
        more = f" and {count - 3} more" if count > 3 else ""
        raise Refused(
            f"the source is not frozen: {', '.join(moved[:3])}{more}",
            hint="find out what still writes or deletes there; the same command then goes on",
            details=tuple(moved),
        )
    refuse_failures(tallies)
