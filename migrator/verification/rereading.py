"""What a mover does to verify: read the bytes again, hash them, compare. Shares nothing with how they were copied."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from migrator import failpoints
from migrator.domain.entries import Entry
from migrator.endpoints.contract import Digest, Problem, SourceTree
from migrator.movers.hands import Hands
from migrator.movers.way import Way
from migrator.verification.chunk_check import ChunkCheck
from migrator.verification.comparing import difference

# How many files are judged, and recorded, at once.
REPORT_ITEMS = 512
_REPORT_SECONDS = 1.0


class Expected(NamedTuple):
    """A file as the manifest knows it."""

    entry: Entry
    sha256: bytes | None  # None: it was never hashed as a whole
    chunks: Mapping[int, bytes] | None = None  # then this is, by its number, what each chunk of it must come to


class Rereading(NamedTuple):
    """Files to read again: at the target, at the source, or at both."""

    way: Way
    files: Sequence[Expected]
    read_target: bool
    read_source: bool


class Proven(NamedTuple):
    """A file that is what it should be; how it stood at the target when its last byte was read, where that is seen."""

    path: bytes
    sha256: bytes  # of what was read
    target_ctime_ns: int | None = None
    target_inode: int | None = None


class Verdict(NamedTuple):
    """The outcome of some files; every file of the job is in exactly one list."""

    proven: tuple[Proven, ...]
    differs: tuple[tuple[bytes, str], ...]  # at the target
    moved_on: tuple[tuple[bytes, str], ...]  # the source is no longer what was copied


class Read(NamedTuple):
    """Bytes read since the last word."""

    size_bytes: int


class _Look(NamedTuple):
    """What reading one file again brought."""

    found: Entry | None
    sha256: bytes
    problem: str  # why it could not be read; empty when it was
    chunk_fault: str | None = None  # where it differs from its recorded chunks, if it has any


_NEVER_READ = _Look(None, b"", "could not be read: nothing came of it")


def reread(hands: Hands, job: Rereading) -> None:
    """Read the files again and report Verdicts, and Read in between; a stop ends without those under way."""
    target = hands.target(job.way.target, job.way.temp_key) if job.read_target else None
    source = hands.source(job.way.source) if job.read_source else None
    for start in range(0, len(job.files), REPORT_ITEMS):
        files = job.files[start : start + REPORT_ITEMS]
        at_target, at_source = _look_at_sides(hands, job.way, files, target, source)
        if hands.should_stop:
            return
        failpoints.at("verify")
        hands.report(_judge(files, at_target, at_source, job.way.keep))


def _look_at_sides(
    hands: Hands, way: Way, files: Sequence[Expected], target: SourceTree | None, source: SourceTree | None
) -> tuple[dict[bytes, _Look] | None, dict[bytes, _Look] | None]:
    """What reading brought at the sides that are to be read; two hosts work at the same time."""
    if target is None or source is None or not _are_two_hosts(way, target, source):
        at_target = None if target is None else _look_at_all(hands, target, files)
        return at_target, None if source is None else _look_at_all(hands, source, files)
    is_over = threading.Event()

    def look(tree: SourceTree) -> dict[bytes, _Look]:
        try:
            return _look_at_all(hands, tree, files, is_over)
        except BaseException:
            is_over.set()  # the other side need not go on
            raise

    with ThreadPoolExecutor(1, "source") as beside:
        at_source = beside.submit(look, source)
        return look(target), at_source.result()


def _are_two_hosts(way: Way, target: SourceTree, source: SourceTree) -> bool:
    """Whether the sides can be read in two threads with any gain, and share no connection."""
    if way.source.endpoint == way.target.endpoint:
        return False
    return not target.abilities.lane == source.abilities.lane == "local"


def _judge(
    files: Sequence[Expected],
    at_target: dict[bytes, _Look] | None,
    at_source: dict[bytes, _Look] | None,
    keep: frozenset[str],
) -> Verdict:
    """What the looks mean; a side that was not to be read is None, a file that was not read there is a fault."""
    proven: list[Proven] = []
    differs: list[tuple[bytes, str]] = []
    moved_on: list[tuple[bytes, str]] = []
    for expected in files:
        path = expected.entry.path
        here = None if at_target is None else at_target.get(path, _NEVER_READ)
        there = None if at_source is None else at_source.get(path, _NEVER_READ)
        digest = expected.sha256 or (there.sha256 if there else None)
        change = _source_change(expected, there) if there else None
        fault = _target_fault(expected, here, digest, keep) if here else None
        if change is not None:
            moved_on.append((path, change))
        elif fault is not None:
            differs.append((path, fault))
        elif (look := here or there) is not None:
            stood = here.found if here else None
            proven.append(Proven(path, look.sha256, *((stood.ctime_ns, stood.inode) if stood else ())))
    return Verdict(tuple(proven), tuple(differs), tuple(moved_on))


def _target_fault(expected: Expected, look: _Look, digest: bytes | None, keep: frozenset[str]) -> str | None:
    if look.found is None:
        return look.problem
    if digest is not None:
        fault = None if look.sha256 == digest else "has other content"
    elif expected.chunks is not None:
        fault = look.chunk_fault
    else:
        fault = "was never hashed at the source, so that its content cannot be proven without reading it there"
    return fault or difference(expected.entry, look.found, keep)


def _source_change(expected: Expected, look: _Look) -> str | None:
    if look.found is None:
        return f"at the source: {look.problem}"
    has_moved = look.found.size != expected.entry.size or look.sha256 != (expected.sha256 or look.sha256)
    has_moved = has_moved or look.chunk_fault is not None
    return "the source has other content than was copied" if has_moved else None


def _look_at_all(
    hands: Hands, tree: SourceTree, files: Sequence[Expected], is_over: threading.Event | None = None
) -> dict[bytes, _Look]:
    """What reading brought, by path; not of all files when a stop was asked for, or when `is_over` says so."""
    looks: dict[bytes, _Look] = {}
    size_bytes, told_at = 0, time.monotonic()
    for digest, chunks in _digests(tree, files):
        size_bytes += digest.read_bytes
        if digest.is_last:
            fault = None if chunks is None else chunks.fault()
            looks[digest.entry.path] = _Look(digest.found, digest.sha256, _in_words(digest), fault)
        if time.monotonic() - told_at > _REPORT_SECONDS:
            hands.report(Read(size_bytes))
            size_bytes, told_at = 0, time.monotonic()
        if hands.should_stop or (is_over is not None and is_over.is_set()):
            break
    hands.report(Read(size_bytes))
    return looks


def _digests(tree: SourceTree, files: Sequence[Expected]) -> Iterator[tuple[Digest, ChunkCheck | None]]:
    """What comes of each file; of those with recorded chunks also what these say of it by then."""
    for digest in tree.digests(each.entry for each in files if each.chunks is None):
        yield digest, None
    for expected in files:
        if expected.chunks is not None:
            chunks = ChunkCheck(expected.entry.size, expected.chunks)
            for digest in tree.digests([expected.entry], blocks=True):
                chunks.take(digest.blocks)
                yield digest, chunks


def _in_words(digest: Digest) -> str:
    if digest.problem is None:
        return ""
    if digest.problem is Problem.VANISHED:
        return "is missing"
    if digest.problem is Problem.CHANGED:
        return f"changed while it was read: {digest.reason}"
    return f"could not be read: {digest.reason}"
