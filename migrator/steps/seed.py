"""`seed`: the first full copy, while people work; and the adoption of what already stands at the target."""

from __future__ import annotations

from migrator.domain.entries import Entry, Kind
from migrator.journal.manifest import Copied
from migrator.movers.crossing import Crossing
from migrator.steps.copying import pass_over
from migrator.steps.scene import Scene
from migrator.transfer.carrying import get_ready
from migrator.transfer.course import Course
from migrator.transfer.passing import copy_pass, survey
from migrator.verification.verifying import verify

TRUST_ADOPTED = "found at the target"


def seed(scene: Scene) -> None:
    """Copy everything once; files that keep changing stay pending. Raises Incomplete when items failed."""
    for crossing in scene.crossings():
        crossing.pool.get_ready(get_ready, crossing.way)
        if scene.adopt:
            adopt(crossing)
    pass_over(scene, copy_pass)


def adopt(crossing: Crossing) -> None:
    """Keep what is equal on both sides: hashed there and here, and never merely believed.

    What differs becomes `failed` and is carried by the pass that follows.
    """
    survey(Course(crossing))
    with crossing.open_target() as tree:
        for block in tree.scan():
            crossing.stop.check()
            standing = {each.path: each for each in block if isinstance(each, Entry) and each.kind is Kind.FILE}
            wanted = crossing.manifest.facts(list(standing))
            same = [entry for entry in wanted if entry.size == standing[entry.path].size]
            crossing.manifest.copied([Copied(entry, None, TRUST_ADOPTED) for entry in same])
    found = verify(crossing, since_seq=0, read_source=True)
    crossing.warn(f"{found.verified} entries at the target are kept, {found.differs_count} differ and are replaced")
