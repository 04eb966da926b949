"""Whether a large file is what its chunks were recorded as; takes little memory, however large it is."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence

from migrator.endpoints.contract import HASH_BLOCK

_CHUNK_BLOCKS = 8


class ChunkCheck:
    """Takes the digests of a file's blocks in order. A chunk without a recorded digest is a hole: nothing but zeros."""

    def __init__(self, size: int, chunks: Mapping[int, bytes]) -> None:
        self._size = size
        self._chunks = chunks
        self._count = 0  # blocks taken
        self._held: list[bytes] = []  # those of the chunk under way
        self._fault: str | None = None

    def take(self, blocks: Sequence[bytes]) -> None:
        """The next blocks."""
        for block in blocks:
            self._held.append(block)
            self._count += 1
            if len(self._held) == _CHUNK_BLOCKS or self._count == self._expected_count:
                self._close_chunk()

    def fault(self) -> str | None:
        """In words, the first difference; None when all blocks have come and are right."""
        if self._count != self._expected_count:
            return f"has {self._count} blocks, not {self._expected_count}"
        return self._fault

    @property
    def _expected_count(self) -> int:
        return -(-self._size // HASH_BLOCK)

    def _close_chunk(self) -> None:
        number = (self._count - 1) // _CHUNK_BLOCKS
        recorded = self._chunks.get(number)
        if recorded is None:
            is_same = self._held == _blocks_of_zeros(self._size - number * _CHUNK_BLOCKS * HASH_BLOCK)
        else:
            is_same = hashlib.sha256(b"".join(self._held)).digest() == recorded
        if not is_same and self._fault is None:
            self._fault = f"has other content in chunk {number}"
        self._held = []


def _blocks_of_zeros(left: int) -> list[bytes]:
    """What the blocks of a chunk come to that has `left` bytes up to the file's end, all of them zero."""
    length = min(_CHUNK_BLOCKS * HASH_BLOCK, left)
    return [_zeros(min(HASH_BLOCK, length - start)) for start in range(0, length, HASH_BLOCK)]


@functools.lru_cache(maxsize=64)
def _zeros(length: int) -> bytes:
    return hashlib.sha256(bytes(length)).digest()
