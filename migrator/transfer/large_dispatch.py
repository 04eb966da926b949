"""Large files given out to the movers: whole ones side by side, huge ones in parts to several movers at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial

from migrator.domain.entries import Entry
from migrator.endpoints.temp_names import new_temp_name
from migrator.movers.errands import Errand, Errands
from migrator.transfer.carrying import Moved
from migrator.transfer.course import Course
from migrator.transfer.landing import Group
from migrator.transfer.large_carrying import Begun, ChunkDone, LargeJob, carry_large

# Up to this size one mover carries a file alone; others carry other files meanwhile.
_ALONE_BYTES = 64 * 1024 * 1024
_FEWEST_CHUNKS, _MOST_CHUNKS = 8, 64  # that one errand takes of a huge file

Report = Begun | ChunkDone | Moved | Group


class LargeDispatch:
    """Carries the large files of one pass."""

    def __init__(self, course: Course) -> None:
        self._course = course
        crossing = course.crossing
        self._errands = Errands(crossing.pool, crossing.stop, crossing.warn)
        self._movers = crossing.pool.size

    @property
    def has_lost_any(self) -> bool:
        """Whether a mover or a connection was lost."""
        return self._errands.has_lost_any

    def carry(self, entries: Sequence[Entry]) -> None:
        """Take large files to carry; waits for room, so that nothing is left over."""
        for entry in entries:
            self._course.will_write([entry])
            if entry.size <= _ALONE_BYTES:
                self._errands.wait_for_room()
                self._send(_Way(self._course, entry), begins=True, ends=True)
            else:
                self._carry_huge(_Way(self._course, entry))

    def drain(self) -> None:
        """Wait until everything taken is done; raises the first error of an errand."""
        self._errands.finish()

    def give_up(self) -> None:
        """End what is out, without looking at how it went: another error is on its way up."""
        self._errands.give_up()

    def _carry_huge(self, way: _Way) -> None:
        self._send(way, begins=True, ends=False, wanted=())
        self._errands.finish()
        for numbers in self._parts(way.left):
            if way.is_over:
                break
            self._errands.wait_for_room()
            self._send(way, begins=False, ends=False, wanted=numbers)
        self._errands.finish()
        if not way.is_over:
            self._send(way, begins=False, ends=True, wanted=())
            self._errands.finish()

    def _parts(self, numbers: Sequence[int]) -> Iterator[Sequence[int]]:
        """Enough of them that every mover has one and none waits long for the last; few, since each opens the file."""
        size = min(max(len(numbers) // (2 * self._movers), _FEWEST_CHUNKS), _MOST_CHUNKS)
        for start in range(0, len(numbers), size):
            yield numbers[start : start + size]

    def _send(self, way: _Way, *, begins: bool, ends: bool, wanted: Sequence[int] | None = None) -> None:
        """Give out an errand; its things are the chunks it is to bring, or else the file itself."""
        left: dict[bytes, int | None] = {b"%d" % number: number for number in wanted or ()}
        left = left or {way.entry.path: None}

        def job(rest: Sequence[int | None]) -> LargeJob:
            numbers = wanted if wanted is None else [number for number in rest if number is not None]
            return way.job(begins=begins, ends=ends, wanted=numbers)

        self._errands.send(Errand(carry_large, left, job, partial(way.take, ends=ends)))


class _Way:
    """One large file on its way."""

    def __init__(self, course: Course, entry: Entry) -> None:
        self.entry = entry
        self.left: tuple[int, ...] = ()  # chunks to be carried, once the beginning has been made
        self.is_over = False  # it has its name, or will not get it in this pass
        self._course = course
        self._large = course.manifest.large
        self._recording = threading.Lock()

    def job(self, *, begins: bool, ends: bool, wanted: Sequence[int] | None) -> LargeJob:
        """What a mover is told; on a second try by what has become of the first."""
        stale = self._start_anew() if begins else None
        growing = self._large.growing(self.entry.path)
        assert growing is not None
        crossing = self._course.crossing
        return LargeJob(
            way=crossing.way,
            entry=self.entry,
            temp_name=growing.temp_name,
            begins=begins,
            ends=ends,
            known=self._large.chunks(self.entry.path) if begins else {},
            wanted=wanted,
            has_old=crossing.compares and self._course.manifest.was_copied(self.entry.path),
            stale=stale,
        )

    def take(self, report: Report, *, ends: bool) -> Sequence[bytes]:
        """Record a report of a mover, one at a time; the things it answers for.

        Once the file is over nothing more is recorded: movers that were at it hear of that a little later.
        """
        path = self.entry.path
        with self._recording:
            match report:
                case Moved():
                    self._course.crossing.tell_moved(report.size_bytes)
                case Begun():
                    self._large.lose(path, report.lost)
                    self.left = report.left
                    return [] if ends else [path]
                case ChunkDone():
                    if not self.is_over:
                        self._large.add(path, [(report.number, report.digest)])
                    return [b"%d" % report.number]
                case Group():
                    self._conclude(report)
                    return [path, *(b"%d" % number for number in self.left)]
        return []

    def _conclude(self, group: Group) -> None:
        if not self.is_over:
            self.is_over = True
            self._course.record(group)
            if group.stayed:
                self._large.forget(self.entry.path)

    def _start_anew(self) -> bytes | None:
        """Go on with what was begun, or begin; the temp name of a version that is no longer wanted."""
        growing = self._large.growing(self.entry.path)
        if growing is not None and growing.is_of(self.entry):
            return None
        self._large.begin(self.entry, new_temp_name(self._course.crossing.way.temp_key))
        return growing.temp_name if growing is not None else None
