"""`final-sync`: the last delta, under freeze, deletions included."""

from __future__ import annotations

from migrator.errors import Incomplete
from migrator.steps.copying import pass_over
from migrator.steps.scene import Scene
from migrator.transfer.passing import final_pass


def final_sync(scene: Scene) -> None:
    """Make every target equal to its source. Raises Incomplete when items failed or vanished on the way."""
    tallies = pass_over(scene, final_pass)
    vanished = sum(each.vanished for each in tallies)
    if vanished:
        raise Incomplete(
            f"{vanished} files vanished although the source is frozen",
            hint="find out what still deletes there; the same command then goes on",
        )
