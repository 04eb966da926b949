"""What one process may still spend of a rate that it shares with others."""

from __future__ import annotations

import threading
from collections.abc import Callable

# Small files are paid for in bulk; it is little enough to be lost when the process ends.
_AT_LEAST_BYTES = 64 * 1024


class Purse:
    """Filled by `take`, which waits and returns how much of the bytes it was asked for was granted."""

    def __init__(self, take: Callable[[int], int]) -> None:
        self._take = take
        self._lock = threading.Lock()
        self._left = 0

    def pay(self, size_bytes: int) -> None:
        """Wait until so much was granted; what a negative size gives back is spent next, without waiting now."""
        left = self._add(-size_bytes)
        while left < 0 < size_bytes:
            left = self._add(self._take(max(-left, _AT_LEAST_BYTES)))

    def _add(self, size_bytes: int) -> int:
        with self._lock:
            self._left += size_bytes
            return self._left
