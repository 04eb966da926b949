"""`verify_under_freeze: changed`: what was verified before the freeze and moved on neither side counts again."""

from __future__ import annotations

from migrator.domain.entries import Class, Entry, Kind
from migrator.movers.crossing import Crossing

# Behind the means of the earlier verification, in each item's record.
UNCHANGED = ", before the freeze: unchanged on both sides since"


def trust_unchanged(crossing: Crossing, since_seq: int) -> int | None:
    """Record as verified now each file whose verification before `since_seq` still stands; how many those are.

    The target is listed, and each file must have the size, ctime and inode that it had when its bytes were read; the
    source side is what the pass under freeze has just recorded. None where a lane sees no ctime: nothing is trusted.
    """
    with crossing.open_source() as source:
        if not source.abilities.sees_ctime:
            return None
    trusted = 0
    with crossing.open_target() as target:
        if not target.abilities.sees_ctime:
            return None
        for block in target.scan():
            crossing.stop.check()
            files = [each for each in block if isinstance(each, Entry) and each.kind is Kind.FILE]
            seq, unchanged = crossing.manifest.trusted(files, since_seq, UNCHANGED)
            for entry in unchanged:
                crossing.tell_item(entry, Class.VERIFIED, seq, None)
            trusted += len(unchanged)
    return trusted
