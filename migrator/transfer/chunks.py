"""Chunks of a large file: their places, their digests, and which of its bytes lie in which.

A chunk's digest is the SHA-256 of the SHA-256s of its blocks, one after the other. So a chunk that was sent, one that
was compared block by block and one that is hashed again at the target all come to the same number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from migrator.domain.entries import Entry, Kind
from migrator.endpoints.contract import HASH_BLOCK, Extent

# The unit of sync, journal and resume: as much as a commit group may hold.
CHUNK_BYTES = 8 * HASH_BLOCK
# Fewer bytes of holes are not worth a way of their own.
_HOLES_BYTES = 64 * 1024

_ZEROS = bytes(64 * 1024)


def is_large(entry: Entry, keep: frozenset[str]) -> bool:
    """Whether a file goes in chunks: because of its size, or because holes in it must not travel."""
    if entry.kind is not Kind.FILE:
        return False
    has_holes = entry.allocated is not None and entry.size - entry.allocated >= _HOLES_BYTES
    return entry.size > CHUNK_BYTES or ("holes" in keep and has_holes)


def chunk_extent(number: int, size: int) -> Extent:
    """Where a chunk lies in a file of that size."""
    start = number * CHUNK_BYTES
    return Extent(start, min(CHUNK_BYTES, size - start))


def with_data(extents: Iterable[Extent]) -> dict[int, list[Extent]]:
    """The chunks that hold any data, in order, each with the stretches that do."""
    chunks: dict[int, list[Extent]] = {}
    for extent in extents:
        for number in range(extent.offset // CHUNK_BYTES, -(-extent.end // CHUNK_BYTES)):
            start = max(extent.offset, number * CHUNK_BYTES)
            end = min(extent.end, (number + 1) * CHUNK_BYTES)
            if end > start:
                chunks.setdefault(number, []).append(Extent(start, end - start))
    return chunks


def within(stretches: Sequence[Extent], part: Extent) -> list[Extent]:
    """What of `part` lies in `stretches`."""
    found = []
    for each in stretches:
        start, end = max(each.offset, part.offset), min(each.end, part.end)
        if end > start:
            found.append(Extent(start, end - start))
    return found


def digest_of_blocks(blocks: Iterable[bytes]) -> bytes:
    """A chunk's digest, from those of its blocks."""
    return hashlib.sha256(b"".join(blocks)).digest()


class ChunkHasher:
    """Hashes a chunk as its data comes, in order; what is skipped is zeros."""

    def __init__(self, extent: Extent) -> None:
        self._end = extent.end
        self._at = extent.offset
        self._blocks: list[bytes] = []
        self._digest = hashlib.sha256()
        self._filled = 0

    def update(self, offset: int, data: bytes) -> None:
        """Take what comes next."""
        self._skip_to(offset)
        self._take(memoryview(data))

    def digest(self) -> bytes:
        """The chunk's digest, now that all of it has come."""
        self._skip_to(self._end)
        if self._filled:
            self._close()
        return digest_of_blocks(self._blocks)

    def _skip_to(self, offset: int) -> None:
        while self._at < offset:
            self._take(memoryview(_ZEROS)[: offset - self._at])

    def _take(self, data: memoryview) -> None:
        while data:
            part = data[: HASH_BLOCK - self._filled]
            self._digest.update(part)
            self._filled += len(part)
            self._at += len(part)
            data = data[len(part) :]
            if self._filled == HASH_BLOCK:
                self._close()

    def _close(self) -> None:
        self._blocks.append(self._digest.digest())
        self._digest, self._filled = hashlib.sha256(), 0
