"""The proof of freeze: after the verification the source is scanned completely once more, and must not have moved."""

from __future__ import annotations

from migrator.domain.entries import Entry, Unchanged, Unreadable, display
from migrator.domain.events import ScanProgress
from migrator.domain.filters import SPECIAL_FILE
from migrator.movers.crossing import Crossing
from migrator.verification.verifying import reread_source

_NAMED = 100


def source_changes(crossing: Crossing, *, read_again: bool) -> list[str]:
    """What at the source is no longer as the manifest has it, in words; empty when it stands still.

    Always compares kind, size, time, mode, owner, link text and, where the lane sees it, ctime, over a complete scan
    that is recorded. With `read_again` every byte is read, too. Files that moved become `pending`.
    """
    changes = _rescan(crossing)
    if read_again and not changes:
        changes = reread_source(crossing)
    elif changes:
        crossing.manifest.postponed([(path, f"{what} under freeze") for path, what in changes if what != "gone"])
    return [f"{crossing.dataset.name}/{display(path)}: {what}" for path, what in changes[:_NAMED]]


def source_differences(crossing: Crossing) -> list[str]:
    """The same by that scan alone; nothing becomes pending by it."""
    return [f"{crossing.dataset.name}/{display(path)}: {what}" for path, what in _rescan(crossing)[:_NAMED]]


def unproven(crossing: Crossing, freeze_seq: int) -> list[str]:
    """Items for which no verification after both the freeze and their copy is on record, in words."""
    rows = crossing.manifest.unproven(freeze_seq, _NAMED)
    return [f"{crossing.dataset.name}/{display(path)}: {why}" for path, why in rows]


def _rescan(crossing: Crossing) -> list[tuple[bytes, str]]:
    scan = crossing.manifest.begin_guard()
    items = size_bytes = 0
    with crossing.open_source() as tree:
        for block in crossing.look_at(tree):
            crossing.stop.check()
            inside, outside = crossing.filter.split([each for each in block if isinstance(each, Entry)])
            scan.note(inside)
            still = [each for each in block if isinstance(each, Unchanged)]
            scan.unchanged(still)
            # A special file is not set apart here: where one took an item's place, that item is gone.
            scan.exclude([row for row in outside if row[1] != SPECIAL_FILE])
            scan.unreadable(
                [each for each in block if isinstance(each, Unreadable) and not crossing.filter.hides(each.path)]
            )
            items += len(inside) + len(outside) + sum(folder.entries for folder in still)
            size_bytes += sum(entry.size for entry in inside) + sum(folder.size_bytes for folder in still)
            name = crossing.dataset.name
            crossing.on_event(ScanProgress(crossing.application, name, items, size_bytes, ended=False))
    scan.end()
    crossing.on_event(ScanProgress(crossing.application, crossing.dataset.name, items, size_bytes, ended=True))
    return scan.differences(_NAMED)
