"""Cuts entries into batches, hands them to the movers, and has recorded what they report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migrator.domain.entries import Entry
from migrator.movers.errands import Errand, Errands
from migrator.transfer.carrying import Batch, Follower, Moved, Named, Naming, carry, name_again
from migrator.transfer.chunks import is_large
from migrator.transfer.course import Course
from migrator.transfer.landing import Group
from migrator.transfer.large_dispatch import LargeDispatch

BATCH_ITEMS = 1_000
BATCH_BYTES = 16 * 1024 * 1024


class Dispatch:
    """Carries the files and links of one pass."""

    def __init__(self, course: Course) -> None:
        crossing = course.crossing
        self._course = course
        self._batch: list[Entry] = []
        self._batch_bytes = 0
        self._errands = Errands(crossing.pool, crossing.stop, crossing.warn)
        self._large = LargeDispatch(course)

    def offer(self, entries: Sequence[Entry]) -> None:
        """Take entries to carry without ever waiting: what finds no room stays pending, and so does what is large."""
        for batch in self._full_batches(self._split(entries)[0]):
            if self._errands.has_room:
                self._send(batch)

    def carry(self, entries: Sequence[Entry]) -> None:
        """Take entries to carry; waits for room, so that nothing is left over."""
        small, large = self._split(entries)
        for batch in self._full_batches(small):
            self._errands.wait_for_room()
            self._send(batch)
        if large:
            self._large.carry(large)

    def name_again(self, followers: Sequence[Follower]) -> None:
        """Take further names of files that stand at the target; waits for room."""
        for first in range(0, len(followers), BATCH_ITEMS):
            batch = followers[first : first + BATCH_ITEMS]
            self._errands.wait_for_room()
            self._course.will_write([each.entry for each in batch])
            for each in batch:
                if each.sha256 is None:
                    self._course.manifest.large.share(each.first, [each.entry.path])
            left = {each.entry.path: each for each in batch}
            self._errands.send(
                Errand(name_again, left, lambda rest: Naming(self._course.crossing.way, rest), self._take)
            )

    def drain(self) -> None:
        """Send what is left and wait until everything taken is done; raises the first error of a batch."""
        self._errands.wait_for_room()
        self._send(self._cut())
        self._errands.finish()
        self._large.drain()

    def clear_away(self) -> None:
        """Remove the temp files of movers and connections that were lost; to be called when nothing is out."""
        if self._errands.has_lost_any or self._large.has_lost_any:
            with self._course.crossing.open_target() as tree:
                tree.sweep(self._course.manifest.large.temp_names())

    def give_up(self) -> None:
        """End the batches that are out, without looking at how they went: another error is on its way up."""
        self._errands.give_up()
        self._large.give_up()

    def _split(self, entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
        """Small ones, and large ones."""
        keep = self._course.crossing.way.keep
        small: list[Entry] = []
        large: list[Entry] = []
        for entry in entries:
            (large if is_large(entry, keep) else small).append(entry)
        return small, large

    def _full_batches(self, entries: Sequence[Entry]) -> Iterator[list[Entry]]:
        for entry in entries:
            self._batch.append(entry)
            self._batch_bytes += entry.size
            if len(self._batch) >= BATCH_ITEMS or self._batch_bytes >= BATCH_BYTES:
                yield self._cut()

    def _cut(self) -> list[Entry]:
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        return batch

    def _send(self, batch: Sequence[Entry]) -> None:
        if not batch:
            return
        self._course.will_write(batch)
        left = {entry.path: entry for entry in batch}
        self._errands.send(Errand(carry, left, lambda rest: Batch(self._course.crossing.way, rest), self._take))

    def _take(self, report: Moved | Group | Named) -> Sequence[bytes]:
        """Record a report of a mover; the paths it answers for."""
        if isinstance(report, Moved):
            self._course.crossing.tell_moved(report.size_bytes)
            return ()
        group = report.group if isinstance(report, Named) else report
        self._course.record(group, brought_content=group is report)
        return [item.entry.path for item in group.carried] + [item.path for item in group.stayed]
