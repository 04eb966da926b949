"""What SQLite and the disk below it answer, as LocalFaults with a reason and a way on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from migrator.domain.entries import display
from migrator.errors import LocalFault

_REBUILD = (
    "keep what is there (move the file and its -wal and -shm away, together), then run with `--adopt`:"
    " it scans and verifies anew, and keeps what matches"
)

# By the beginning of SQLite's own name for the error (https://sqlite.org/rescode.html); anything else is our bug.
_REASONS = {
    "SQLITE_FULL": ("the disk is full", "make room there (or in the folder for temporary files), then run again"),
    "SQLITE_READONLY": ("it may only be read", "give yourself the right to write there, then run again"),
    "SQLITE_PERM": ("permission denied", "run as the user to whom the state belongs"),
    "SQLITE_CANTOPEN": ("it cannot be opened", "is this the user to whom the state belongs, and is the disk sound?"),
    "SQLITE_IOERR": ("reading or writing it failed", "check the disk and what room is left on it, then run again"),
    "SQLITE_CORRUPT": ("it is damaged", _REBUILD),
    "SQLITE_NOTADB": ("it is damaged, or not a database at all", _REBUILD),
    "SQLITE_BUSY": ("another process keeps it busy", "find out who has it open (`fuser FILE`), then run again"),
    "SQLITE_PROTOCOL": ("its locks do not work", "put the state on a local disk (`--state DIR`)"),
    "SQLITE_NOMEM": ("there is not enough memory", "make room, then run again"),
}


_NO_TEXT = "Could not decode to UTF-8"


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of SQLite about the file at `path` into LocalFault; an error in our own SQL stays what it is."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        fault = _fault(path, error.orig if isinstance(error, DBAPIError) else error)
        if fault is None:
            raise
        raise fault from error


def _fault(path: Path, error: BaseException | None) -> LocalFault | None:
    name = getattr(error, "sqlite_errorname", "")
    if _NO_TEXT in str(error):  # the driver's own complaint, which bears no name
        name = "SQLITE_CORRUPT"
    for beginning, (reason, hint) in _REASONS.items():
        if name.startswith(beginning):
            return LocalFault(f"the state file `{path}` cannot be used: {reason} ({error})", hint=hint)
    return None


def foreign(path: Path) -> LocalFault:
    """The file was not made by us."""
    return LocalFault(
        f"`{path}` is not a state file of migrator",
        hint="is `--state DIR` the right folder? Move the file away if nobody needs it there",
    )


def damaged(text: str, belongs: str) -> LocalFault:
    """A value in the state is none that we would have written."""
    return LocalFault(
        f"the state is damaged: `{display(text.encode())}` stands where {belongs} belongs",
        hint="keep a copy of it; `--state` with a new folder and `--adopt` verify all anew",
    )


def newer(path: Path, version: int, known: int) -> LocalFault:
    """A later version of migrator made the file."""
    return LocalFault(
        f"`{path}` was written by a newer migrator (schema {version}; this one knows {known})",
        hint="use the version that wrote it, or a later one; the file was left as it is",
    )


def older(path: Path) -> LocalFault:
    """An earlier version made the file, and looking at it must not change it."""
    return LocalFault(
        f"`{path}` was written by an older migrator",
        hint="`migrator run` brings it up to date; until then only the version that wrote it can show it",
    )
