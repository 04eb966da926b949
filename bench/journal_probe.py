"""Run migrator's command line, and write down how long it was inside SQLite.

`python -m bench.journal_probe FILE WORDS...` does what `migrator WORDS...` does, then writes the seconds to FILE. What
threads spend there side by side is added up, so that the figure is never too small. Movers open no journal.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from migrator.__main__ import main


class _Clock:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self.seconds += time.perf_counter() - began


CLOCK = _Clock()


class TimedCursor(sqlite3.Cursor):
    """A cursor whose statements and fetches are timed."""

    def execute(self, *words: Any) -> TimedCursor:
        """As sqlite3's."""
        with CLOCK.running():
            super().execute(*words)
        return self

    def executemany(self, *words: Any) -> TimedCursor:
        """As sqlite3's."""
        with CLOCK.running():
            super().executemany(*words)
        return self

    def fetchone(self) -> Any:
        """As sqlite3's."""
        with CLOCK.running():
            return super().fetchone()

    def fetchmany(self, *words: Any) -> list[Any]:
        """As sqlite3's."""
        with CLOCK.running():
            return super().fetchmany(*words)

    def fetchall(self) -> list[Any]:
        """As sqlite3's."""
        with CLOCK.running():
            return super().fetchall()


class TimedConnection(sqlite3.Connection):
    """A connection whose cursors and commits are timed."""

    def cursor(self, *_: Any) -> Any:
        """A cursor of ours; the only factory that is asked for."""
        return super().cursor(TimedCursor)

    def execute(self, *words: Any) -> TimedCursor:
        """As sqlite3's."""
        cursor: TimedCursor = self.cursor()
        return cursor.execute(*words)

    def commit(self) -> None:
        """As sqlite3's."""
        with CLOCK.running():
            super().commit()

    def rollback(self) -> None:
        """As sqlite3's."""
        with CLOCK.running():
            super().rollback()


def _timed() -> None:
    plain = sqlite3.connect

    def connect(*words: Any, **named: Any) -> Any:
        with CLOCK.running():
            return plain(*words, **{"factory": TimedConnection, **named})

    sqlite3.connect = connect


if __name__ == "__main__":
    _timed()
    code = main(sys.argv[2:])
    Path(sys.argv[1]).write_text(f"{CLOCK.seconds:.6f}")
    sys.exit(code)
