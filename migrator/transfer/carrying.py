"""What a mover does with a batch: read at the source, write at the target, report each commit group."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from migrator.domain.entries import Entry, Kind
from migrator.endpoints.contract import Landed, Piece, Problem, SourceTree
from migrator.movers.hands import Hands
from migrator.movers.way import Way
from migrator.transfer.freshness import unsettled_seconds
from migrator.transfer.landing import Group, Landing

_PROGRESS_SECONDS = 0.25


class Batch(NamedTuple):
    """Files and links to carry, in the order of the scan."""

    way: Way
    entries: Sequence[Entry]


class Settling(NamedTuple):
    """Folders to make and to give their owner, mode and times, deepest first."""

    way: Way
    directories: Sequence[Entry]


class Removal(NamedTuple):
    """Entries of ours to remove at the target, deepest first."""

    way: Way
    entries: Sequence[Entry]


class Follower(NamedTuple):
    """A name to make for a file that stands at the target already."""

    entry: Entry  # as the file was copied, with the path of this name
    first: bytes  # the path it stands at
    sha256: bytes | None


class Naming(NamedTuple):
    """Further names to make, for files of which one name stands."""

    way: Way
    followers: Sequence[Follower]


class Named(NamedTuple):
    """The outcome of one commit group of names; no content was moved for them."""

    group: Group


class Moved(NamedTuple):
    """Bytes of content read since the last word; they are not committed yet."""

    size_bytes: int


class Settled(NamedTuple):
    """How folders or removals went."""

    landed: tuple[Landed, ...]


def get_ready(hands: Hands, way: Way) -> None:
    """Log in at both sides, so that the first batch need not wait for it."""
    hands.source(way.source).abilities  # noqa: B018 - to ask for it connects
    hands.target(way.target, way.temp_key).abilities  # noqa: B018


def carry(hands: Hands, batch: Batch) -> None:
    """Carry a batch; reports a Group for each commit, and Moved in between."""
    source = hands.source(batch.way.source)
    writer = hands.target(batch.way.target, batch.way.temp_key).writer(batch.way.keep)
    try:
        _carry(hands, source, Landing(writer), batch.entries)
    finally:
        writer.close()


def _carry(hands: Hands, source: SourceTree, landing: Landing, entries: Sequence[Entry]) -> None:
    for entry in entries:
        if entry.kind is Kind.LINK:
            if landing.is_full(0):
                hands.report(landing.commit())
            _carry_link(landing, entry)
    moved, told_at = 0, time.monotonic()
    asked_at: dict[bytes, float] = {}
    for answer in source.read(_until_stopped(hands, entries, asked_at)):
        piece = _doubted(answer, asked_at)
        if landing.is_full(piece.entry.size):
            hands.report(landing.commit())
        landing.piece(piece)
        moved += len(piece.data)
        if time.monotonic() - told_at > _PROGRESS_SECONDS:
            hands.report(Moved(moved))
            moved, told_at = 0, time.monotonic()
            if hands.should_stop and not piece.is_last:
                # A large file cannot be finished in the time a stop is given: it is begun anew by the next run.
                landing.abandon()
                break
    hands.report(Moved(moved))
    hands.report(landing.commit())


def _carry_link(landing: Landing, entry: Entry) -> None:
    """A link's text came with the listing; the source is not asked again."""
    if entry.link is None:
        landing.stay(entry, Problem.FAILED, "the text of the link could not be read")
    else:
        landing.link(entry)


def _until_stopped(hands: Hands, entries: Sequence[Entry], asked_at: dict[bytes, float]) -> Iterator[Entry]:
    """The files, each with the time at which it was asked for noted in `asked_at`."""
    for entry in entries:
        if hands.should_stop:
            return
        if entry.kind is Kind.FILE:
            asked_at[entry.path] = time.time()
            yield entry


def _doubted(piece: Piece, asked_at: Mapping[bytes, float]) -> Piece:
    """The piece; the last one of a file that may have changed under the reader without a trace is a problem."""
    if piece.found is None or not unsettled_seconds(piece.found, asked_at[piece.entry.path]):
        return piece
    return Piece(piece.entry, b"", problem=Problem.CHANGED, reason="written to in the second in which it was read")


def name_again(hands: Hands, job: Naming) -> None:
    """Make further names; reports a Named for each commit. A stop ends it after the group under way."""
    writer = hands.target(job.way.target, job.way.temp_key).writer(job.way.keep)
    landing = Landing(writer)
    try:
        for follower in job.followers:
            if hands.should_stop:
                break
            if landing.is_full(0):
                hands.report(Named(landing.commit()))
            landing.hard_link(follower.entry, follower.first, follower.sha256)
        hands.report(Named(landing.commit()))
    finally:
        writer.close()


def settle(hands: Hands, job: Settling) -> None:
    """Give folders what they are to keep; reports one Settled."""
    writer = hands.target(job.way.target, job.way.temp_key).writer(job.way.keep)
    try:
        hands.report(Settled(tuple(writer.settle(job.directories))))
    finally:
        writer.close()


def remove(hands: Hands, job: Removal) -> None:
    """Remove entries of ours; reports one Settled."""
    writer = hands.target(job.way.target, job.way.temp_key).writer(job.way.keep)
    try:
        hands.report(Settled(tuple(writer.remove(job.entries))))
    finally:
        writer.close()
