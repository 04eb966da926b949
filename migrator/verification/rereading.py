"""What a mover does to verify: read the bytes again, hash them, compare. Shares nothing with how they were copied."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from migrator.domain.entries import Entry
from migrator.endpoints.contract import HASH_BLOCK, Digest, Problem, SourceTree
from migrator.movers.hands import Hands
from migrator.movers.way import Way
from migrator.verification.comparing import difference

_REPORT_ITEMS = 256
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


class Verdict(NamedTuple):
    """The outcome of some files; every file of the job is in exactly one list."""

    proven: tuple[tuple[bytes, bytes], ...]  # path, SHA-256 of what was read
    differs: tuple[tuple[bytes, str], ...]  # at the target
    moved_on: tuple[tuple[bytes, str], ...]  # the source is no longer what was copied


class Read(NamedTuple):
    """Bytes read since the last word."""

    size_bytes: int


class _Look(NamedTuple):
    """What reading one file again brought."""

    found: Entry | None
    sha256: bytes
    blocks: tuple[bytes, ...]
    problem: str


_NEVER_READ = _Look(None, b"", (), "could not be read: nothing came of it")
# A chunk of a large file, and what the blocks of one that is nothing but a hole come to.
_CHUNK_BLOCKS = 8
_CHUNK_BYTES = _CHUNK_BLOCKS * HASH_BLOCK


def reread(hands: Hands, job: Rereading) -> None:
    """Read the files again and report Verdicts, and Read in between; a stop ends after the files under way."""
    for start in range(0, len(job.files), _REPORT_ITEMS):
        if hands.should_stop:
            return
        files = job.files[start : start + _REPORT_ITEMS]
        at_target = at_source = None
        if job.read_target:
            at_target = _look_at_all(hands, hands.target(job.way.target, job.way.temp_key), files)
        if job.read_source:
            at_source = _look_at_all(hands, hands.source(job.way.source), files)
        hands.report(_judge(files, at_target, at_source, job.way.keep))


def _judge(
    files: Sequence[Expected],
    at_target: dict[bytes, _Look] | None,
    at_source: dict[bytes, _Look] | None,
    keep: frozenset[str],
) -> Verdict:
    """What the looks mean; a side that was not to be read is None, a file that was not read there is a fault."""
    proven: list[tuple[bytes, bytes]] = []
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
            proven.append((path, look.sha256))
    return Verdict(tuple(proven), tuple(differs), tuple(moved_on))


def _target_fault(expected: Expected, look: _Look, digest: bytes | None, keep: frozenset[str]) -> str | None:
    if look.found is None:
        return look.problem
    if digest is None and expected.chunks is None:
        return "was never hashed at the source, so that its content cannot be proven without reading it there"
    if digest is None:
        fault = _chunk_fault(expected.entry.size, expected.chunks or {}, look.blocks)
    else:
        fault = None if look.sha256 == digest else "has other content"
    return fault or difference(expected.entry, look.found, keep)


def _chunk_fault(size: int, chunks: Mapping[int, bytes], blocks: Sequence[bytes]) -> str | None:
    """How the blocks of a file differ from what its chunks were recorded as; a chunk without record is a hole."""
    if len(blocks) != -(-size // HASH_BLOCK):
        return f"has {len(blocks)} blocks, not {-(-size // HASH_BLOCK)}"
    for number in range(-(-size // _CHUNK_BYTES)):
        found = blocks[number * _CHUNK_BLOCKS : (number + 1) * _CHUNK_BLOCKS]
        recorded = chunks.get(number)
        if recorded is None:
            is_same = list(found) == _blocks_of_zeros(min(_CHUNK_BYTES, size - number * _CHUNK_BYTES))
        else:
            is_same = hashlib.sha256(b"".join(found)).digest() == recorded
        if not is_same:
            return f"has other content in chunk {number}"
    return None


def _blocks_of_zeros(length: int) -> list[bytes]:
    return [_zeros(min(HASH_BLOCK, length - start)) for start in range(0, length, HASH_BLOCK)]


@functools.lru_cache(maxsize=64)
def _zeros(length: int) -> bytes:
    return hashlib.sha256(bytes(length)).digest()


def _source_change(expected: Expected, look: _Look) -> str | None:
    if look.found is None:
        return f"at the source: {look.problem}"
    has_moved = look.found.size != expected.entry.size
    if expected.sha256 is not None:
        has_moved = has_moved or look.sha256 != expected.sha256
    elif expected.chunks is not None:
        has_moved = has_moved or _chunk_fault(expected.entry.size, expected.chunks, look.blocks) is not None
    return "the source has other content than was copied" if has_moved else None


def _look_at_all(hands: Hands, tree: SourceTree, files: Sequence[Expected]) -> dict[bytes, _Look]:
    looks: dict[bytes, _Look] = {}
    size_bytes, told_at = 0, time.monotonic()
    for has_chunks in (False, True):
        some = [expected.entry for expected in files if (expected.chunks is not None) == has_chunks]
        for digest in tree.digests(some, blocks=has_chunks) if some else ():
            size_bytes += digest.read_bytes
            if digest.is_last:
                looks[digest.entry.path] = _Look(digest.found, digest.sha256, digest.blocks, _in_words(digest))
            if time.monotonic() - told_at > _REPORT_SECONDS:
                hands.report(Read(size_bytes))
                size_bytes, told_at = 0, time.monotonic()
    hands.report(Read(size_bytes))
    return looks


def _in_words(digest: Digest) -> str:
    if digest.problem is None:
        return ""
    if digest.problem is Problem.VANISHED:
        return "is missing"
    if digest.problem is Problem.CHANGED:
        return f"changed while it was read: {digest.reason}"
    return f"could not be read: {digest.reason}"
