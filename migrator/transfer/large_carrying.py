"""What a mover does for a large file: carry some of its chunks, each durable before it is reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import NamedTuple

from migrator.domain.entries import Entry
from migrator.endpoints.contract import (
    HASH_BLOCK,
    Checked,
    Extent,
    LargeWriter,
    Problem,
    RangeReader,
    TargetTree,
)
from migrator.endpoints.faults import sentence
from migrator.movers.hands import Hands
from migrator.movers.way import Way
from migrator.transfer.carrying import Moved
from migrator.transfer.chunks import ChunkHasher, chunk_extent, digest_of_blocks, with_data, within
from migrator.transfer.freshness import unsettled_seconds
from migrator.transfer.landing import Carried, Group, Stayed

_PROGRESS_SECONDS = 0.25


class LargeJob(NamedTuple):
    """A large file, or a part of one."""

    way: Way
    entry: Entry  # the version that is copied
    temp_name: bytes
    begins: bool  # make the temp file where it is missing, and see what of it is there
    ends: bool  # give the file its name once all of it is there
    known: Mapping[int, bytes]  # chunks that should be there; they count once they were hashed again
    wanted: Sequence[int] | None  # chunks to carry; None: all that are not there
    has_old: bool  # an earlier version of ours may stand at the target, and both sides can compare
    stale: bytes | None = None  # the temp name of a version that is no longer wanted


class Begun(NamedTuple):
    """What of a large file is there, and what is not."""

    lost: tuple[int, ...]  # chunks that were said to be there
    left: tuple[int, ...]  # chunks that hold data and are still to be carried


class ChunkDone(NamedTuple):
    """A chunk that is durable in the temp file."""

    number: int
    digest: bytes


def carry_large(hands: Hands, job: LargeJob) -> None:
    """Carry chunks; reports Begun, a ChunkDone for each, Moved in between, and a Group with what became of the file.

    A stop ends it after the chunk under way. The Group comes at the end, or as soon as something is wrong.
    """
    tree = hands.target(job.way.target, job.way.temp_key)
    _discard_stale(tree, job)
    source = hands.source(job.way.source).ranges(job.entry)
    if isinstance(source, Checked):
        hands.report(_stayed(job.entry, source))
        return
    with closing(source):
        if not _is_same(source.found, job.entry):
            hands.report(_stayed(job.entry, Checked(None, Problem.CHANGED, "it changed before it was read")))
            _discard(tree, job, job.temp_name)
            return
        # What is read from now on is told by its time, should it change.
        time.sleep(unsettled_seconds(source.found, time.time()))
        try:
            target = tree.large(job.entry, job.temp_name, job.way.keep, makes=job.begins)
            with closing(target):
                _Carrying(hands, job, source, target).carry()
        except OSError as error:
            hands.report(_stayed(job.entry, Checked(None, Problem.FAILED, sentence(error))))


class _Asked(NamedTuple):
    """A chunk whose blocks are being hashed at both sides."""

    number: int
    ours: Callable[[], Sequence[bytes]]
    theirs: Callable[[], Sequence[bytes]]


class _Carrying:
    """One job under way."""

    def __init__(self, hands: Hands, job: LargeJob, source: RangeReader, target: LargeWriter) -> None:
        self._hands = hands
        self._job = job
        self._size = job.entry.size
        self._source = source
        self._target = target
        self._stretches = with_data(source.extents())
        self._moved = 0
        self._told_at = time.monotonic()

    def carry(self) -> None:
        wanted = self._begin() if self._job.begins else list(self._job.wanted or ())
        if self._job.wanted is not None:
            wanted = [number for number in wanted if number in self._job.wanted]
        carry = self._compare if self._job.has_old else self._send
        problem = carry(wanted)
        self._tell_moved(at_once=True)
        if problem is None and not self._hands.should_stop:
            problem = self._end() if self._job.ends else None
        if problem is not None:
            self._hands.report(_stayed(self._job.entry, problem))
            self._target.discard()

    def _begin(self) -> list[int]:
        """See what is there of what should be; the chunks that are to be carried."""
        known = {number: digest for number, digest in self._job.known.items() if number in self._stretches}
        lost = [number for number in known if self._target.is_new or not self._is_there(number, known[number])]
        left = [number for number in self._stretches if number not in known or number in lost]
        self._hands.report(Begun(tuple(lost), tuple(left)))
        return left

    def _is_there(self, number: int, digest: bytes) -> bool:
        return digest_of_blocks(self._target.ask_digests(chunk_extent(number, self._size))()) == digest

    def _send(self, wanted: Sequence[int]) -> Checked | None:
        """Read the chunks and write them, the next ones on their way; what is wrong with the source, if anything."""
        asked: list[int] = []
        hasher: ChunkHasher | None = None
        for each in self._source.read(self._until_stopped(wanted, asked)):
            number = asked[0]
            hasher = hasher or ChunkHasher(chunk_extent(number, self._size))
            if not isinstance(each, Checked):
                self._target.write(each.offset, each.data)
                hasher.update(each.offset, each.data)
                self._moved += len(each.data)
                self._tell_moved()
                continue
            if each.problem is not None:
                return each
            self._done(number, hasher.digest())
            del asked[0]
            hasher = None
        return None

    def _until_stopped(self, wanted: Sequence[int], asked: list[int]) -> Iterator[Sequence[Extent]]:
        for number in wanted:
            if self._hands.should_stop:
                return
            asked.append(number)
            yield self._stretches[number]

    def _compare(self, wanted: Sequence[int]) -> Checked | None:
        """Have both sides hash their blocks; only what differs is read, the rest is taken over from the old version."""
        coming = iter(wanted)
        following = self._ask(next(coming, None))
        while following is not None and not self._hands.should_stop:
            number, ours, theirs = following
            following = self._ask(next(coming, None))  # hashed while this one is dealt with
            blocks, old = ours(), theirs()
            problem = self._take_over(number, blocks, old)
            if problem is not None:
                return problem
            self._done(number, digest_of_blocks(blocks))
        checked = self._source.check()
        return checked if checked.problem is not None else None

    def _ask(self, number: int | None) -> _Asked | None:
        if number is None:
            return None
        extent = chunk_extent(number, self._size)
        return _Asked(number, self._source.ask_digests(extent), self._target.ask_old_digests(extent))

    def _take_over(self, number: int, blocks: Sequence[bytes], old: Sequence[bytes]) -> Checked | None:
        extent, stretches = chunk_extent(number, self._size), self._stretches[number]
        if len(blocks) != -(-extent.length // HASH_BLOCK):
            return Checked(None, Problem.CHANGED, "it became shorter while it was read")
        differing: list[Extent] = []
        for place, block in enumerate(blocks):
            parts = within(stretches, _block(extent, place))
            if place < len(old) and old[place] == block:
                for part in parts:
                    self._target.copy_old(part)
            else:
                differing += parts
        for each in self._source.read([differing] if differing else []):
            if isinstance(each, Checked):
                return each if each.problem is not None else None
            self._target.write(each.offset, each.data)
            self._moved += len(each.data)
            self._tell_moved()
        return None

    def _done(self, number: int, digest: bytes) -> None:
        self._target.sync()
        self._hands.report(ChunkDone(number, digest))

    def _end(self) -> Checked | None:
        checked = self._source.check()
        if checked.found is None:
            return checked
        landed = self._target.finish(checked.found)
        if landed.problem is not None:
            self._hands.report(_stayed(self._job.entry, Checked(None, Problem.FAILED, landed.problem)))
        else:
            self._hands.report(Group((Carried(checked.found, None),), ()))
        return None

    def _tell_moved(self, *, at_once: bool = False) -> None:
        if at_once or time.monotonic() - self._told_at > _PROGRESS_SECONDS:
            self._hands.report(Moved(self._moved))
            self._moved, self._told_at = 0, time.monotonic()


def _block(extent: Extent, place: int) -> Extent:
    """The block at a place within a chunk."""
    start = extent.offset + place * HASH_BLOCK
    return Extent(start, min(HASH_BLOCK, extent.end - start))


def _is_same(found: Entry, entry: Entry) -> bool:
    if (found.size, found.mtime_ns) != (entry.size, entry.mtime_ns):
        return False
    return found.ctime_ns == entry.ctime_ns or None in (found.ctime_ns, entry.ctime_ns)


def _stayed(entry: Entry, checked: Checked) -> Group:
    return Group((), (Stayed(entry.path, checked.problem or Problem.FAILED, checked.reason),))


def _discard_stale(tree: TargetTree, job: LargeJob) -> None:
    if job.stale is not None:
        _discard(tree, job, job.stale)


def _discard(tree: TargetTree, job: LargeJob, temp_name: bytes) -> None:
    """Remove a temp file that nobody goes on with; one that is not there is as good as removed."""
    try:
        target = tree.large(job.entry, temp_name, job.way.keep, makes=False)
    except OSError:
        return
    with closing(target):
        target.discard()
