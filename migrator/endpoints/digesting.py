"""Digests of files that can only be read: hashed here, as their content comes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from migrator.endpoints.contract import HASH_BLOCK, Digest, Piece


def digests_of(pieces: Iterable[Piece], *, blocks: bool) -> Iterator[Digest]:
    """A Digest for each file, and one that tells of progress for each piece before its last."""
    whole, parts = hashlib.sha256(), _Blocks(is_wanted=blocks)
    for piece in pieces:
        whole.update(piece.data)
        parts.update(piece.data)
        if not piece.is_last:
            yield Digest(piece.entry, len(piece.data), blocks=parts.done())
            continue
        rest = parts.done(is_over=True)
        yield Digest(piece.entry, len(piece.data), piece.found, whole.digest(), rest, piece.problem, piece.reason)
        whole, parts = hashlib.sha256(), _Blocks(is_wanted=blocks)


class _Blocks:
    """Digests of the blocks of one file."""

    def __init__(self, *, is_wanted: bool) -> None:
        self._is_wanted = is_wanted
        self._done: list[bytes] = []
        self._digest = hashlib.sha256()
        self._filled = 0

    def update(self, data: bytes) -> None:
        with memoryview(data) as view:
            at = 0
            while self._is_wanted and at < len(data):
                part = view[at : at + HASH_BLOCK - self._filled]
                self._digest.update(part)
                self._filled += len(part)
                at += len(part)
                if self._filled == HASH_BLOCK:
                    self._close()

    def done(self, *, is_over: bool = False) -> tuple[bytes, ...]:
        """Those that are complete since the last call, and with `is_over` what is left."""
        if is_over and self._filled:
            self._close()
        done, self._done = self._done, []
        return tuple(done)

    def _close(self) -> None:
        self._done.append(self._digest.digest())
        self._digest, self._filled = hashlib.sha256(), 0
