"""Kernel locks on files: they end with the process that holds them, so a dead run never needs a human."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from migrator.errors import Held
from migrator.journal.folder import unreadable

_POLL_SECONDS = 0.02


class FileLock:
    """An exclusive lock on the file at `path`, made when missing; `what` names for people what it guards.

    Two locks on one path exclude each other within one process as well. The descriptor is closed in programs that are
    started from here; a child that is merely forked would share the lock, so movers are spawned.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self.what = what
        self._descriptor: int | None = None

    def acquire(self, blocking_seconds: float = 0) -> None:
        """Take the lock, waiting at most so long; Held when another has it, LocalFault when the file cannot be had."""
        assert self._descriptor is None, "the lock is already held here"
        deadline = time.monotonic() + blocking_seconds
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise unreadable(self.path, error) from error
        try:
            self._wait(descriptor, deadline)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go of the lock; nothing happens when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        if self._descriptor is None:
            self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def _wait(self, descriptor: int, deadline: float) -> None:
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise self._held(descriptor)
            time.sleep(_POLL_SECONDS)

    def _held(self, descriptor: int) -> Held:
        process = _holder_of(descriptor)
        if process is None:
            return Held(f"another run holds {self.what}", hint="wait until it ends, then type the same command again")
        return Held(
            f"another run holds {self.what} (process {process})",
            hint=f"wait until it ends, or stop it in good order: kill {process}",
        )


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder_of(descriptor: int) -> int | None:
    """The process that holds the lock, as far as the kernel tells (`/proc/locks`, proc(5)); None when it does not."""
    facts = os.fstat(descriptor)
    place = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}:{facts.st_ino}"
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:  # only the sentence for people gets shorter
        return None
    for line in lines:
        match line.split():
            case [_, "FLOCK", _, "WRITE", process, where, *_] if where == place and int(process) > 0:
                return int(process)
    return None
