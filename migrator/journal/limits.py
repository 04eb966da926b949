"""Rates that an operator set for the runs under way: one synced file an endpoint, gone when the last of them ends.

A kernel lock, shared by all runs of a migration, tells whether any is under way, so that a killed one leaves nothing
that counts.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from migrator.domain.reports import LiveLimit
from migrator.errors import LocalFault
from migrator.journal.folder import StateFolder, sync_directory, unreadable
from migrator.journal.tables import moment_text

_FORMAT = "limit-1"
_LIMIT_BYTES = 64 * 1024
_MOMENT_SECONDS = 0.1


@contextmanager
def run_under_way(folder: StateFolder) -> Iterator[None]:
    """Be one of the runs under way; what was set for earlier ones is forgotten by the first and the last."""
    with _opened(folder, os.O_RDWR | os.O_CREAT) as lock:
        # Whoever only asks whether runs are under way holds it for a moment, too.
        if _is_alone(lock, _MOMENT_SECONDS):
            _forget(folder)
        fcntl.flock(lock, fcntl.LOCK_SH)
        try:
            yield
        finally:
            if _is_alone(lock):
                _forget(folder)


def is_run_under_way(folder: StateFolder) -> bool:
    """Whether a run of this migration is under way; leaves the state as it is."""
    if not folder.runs_lock.exists():
        return False
    # Where the state may only be read, the lock can be asked for all the same.
    with _opened(folder, os.O_RDWR if os.access(folder.runs_lock, os.W_OK) else os.O_RDONLY) as lock:
        return not _is_alone(lock)


def set_limit(folder: StateFolder, limit: LiveLimit) -> None:
    """Leave a limit for the runs under way in place of the one before, durable on return."""
    folder.create()
    content = {
        "format": _FORMAT,
        "endpoint": limit.endpoint,
        "bytes_per_second": limit.bytes_per_second,
        "set_by": limit.set_by,
        "set_at": moment_text(limit.set_at),
    }
    path = folder.limit(limit.endpoint)
    draft = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
            json.dump(content, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise unreadable(path, error) from error


def live_limits(folder: StateFolder) -> list[LiveLimit]:
    """What was set for the runs under way, by name of the endpoint; LocalFault for a file that nobody understands."""
    return [_read(path) for path in _files(folder)]


def _read(path: Path) -> LiveLimit:
    try:
        with open(path, encoding="utf-8") as file:
            return _limit(json.loads(file.read(_LIMIT_BYTES)))
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, KeyError, TypeError) as error:
        raise LocalFault(
            f"`{path}` is no limit: {error}", hint="remove it, and set the limit anew with `migrator limit`"
        ) from error


def _limit(found: Any) -> LiveLimit:
    """The limit in parsed JSON; ValueError, KeyError or TypeError when it is not one."""
    rate = found["bytes_per_second"]
    if found["format"] != _FORMAT or not (rate is None or (isinstance(rate, int) and rate > 0)):
        raise ValueError(f"it does not say `format: {_FORMAT}`, or has no rate")
    return LiveLimit(str(found["endpoint"]), rate, str(found["set_by"]), dt.datetime.fromisoformat(found["set_at"]))


def _files(folder: StateFolder) -> list[Path]:
    try:
        return sorted(path for path in folder.limits.iterdir() if path.suffix == ".json" and path.name[0] != ".")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(folder.limits, error) from error


def _forget(folder: StateFolder) -> None:
    for path in _files(folder):
        path.unlink(missing_ok=True)


@contextmanager
def _opened(folder: StateFolder, flags: int) -> Iterator[int]:
    try:
        lock = os.open(folder.runs_lock, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise unreadable(folder.runs_lock, error) from error
    try:
        yield lock
    finally:
        os.close(lock)


def _is_alone(lock: int, seconds: float = 0.0) -> bool:
    """Whether nobody else holds the lock, or holds it no longer after so many seconds."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if not seconds:
            return False
        time.sleep(seconds)
        return _is_alone(lock)
    return True
