"""The turn to connect and log in at an endpoint: servers shut out whoever knocks many times at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from migrator.errors import Held
from migrator.journal.locks import FileLock

# Each turn ends after HANDSHAKE_SECONDS at the latest, so that this is a queue of some length.
PATIENCE_SECONDS = 120.0
_LOOK_SECONDS = 0.25


class Door:
    """Lets one at a time through: of all movers and threads of this run, and of other runs with the same file."""

    def __init__(self, path: Path | None) -> None:
        self._turn = threading.Lock()
        self._file = FileLock(path, "the door of an endpoint") if path is not None else None

    def enter(self, is_over: Callable[[], bool] = lambda: False) -> bool:
        """Wait for the turn and take it; False when it does not come in time, or when `is_over` says to stop waiting.

        LocalFault when the file cannot be used.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._turn.acquire(timeout=_LOOK_SECONDS):
            if is_over() or time.monotonic() > deadline:
                return False
        try:
            has_entered = self._lock_file(is_over, deadline)
        except BaseException:
            self._turn.release()
            raise
        if not has_entered:
            self._turn.release()
        return has_entered

    def leave(self) -> None:
        """Let the next one in; by whoever has entered, from any thread."""
        if self._file is not None:
            self._file.release()
        self._turn.release()

    def _lock_file(self, is_over: Callable[[], bool], deadline: float) -> bool:
        while self._file is not None:
            try:
                self._file.acquire(_LOOK_SECONDS)
            except Held:  # by another run
                if is_over() or time.monotonic() > deadline:
                    return False
            else:
                break
        return True
