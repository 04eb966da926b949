"""Locks on files, within one process; what other processes see is in tests/integration/test_state_files.py."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from migrator.errors import Held, LocalFault
from migrator.journal.locks import FileLock


def test_two_locks_on_one_path_exclude_each_other(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "x.lock", "it"), FileLock(tmp_path / "x.lock", "it")
    with first:
        with pytest.raises(Held, match=f"another run holds it \\(process {os.getpid()}\\)"):
            second.acquire()
        FileLock(tmp_path / "y.lock", "another").acquire()
    with second:
        pass


def test_waiting_ends_when_the_other_lets_go(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "x.lock", "it"), FileLock(tmp_path / "x.lock", "it")
    first.acquire()
    release = threading.Timer(0.1, first.release)
    release.start()
    second.acquire(blocking_seconds=30)
    release.join()
    second.release()


def test_waiting_has_an_end(tmp_path: Path) -> None:
    began = time.monotonic()
    with FileLock(tmp_path / "x.lock", "it"), pytest.raises(Held):
        FileLock(tmp_path / "x.lock", "it").acquire(blocking_seconds=0.1)
    assert 0.1 <= time.monotonic() - began < 10


def test_refused_locks_leave_no_descriptor_behind(tmp_path: Path) -> None:
    with FileLock(tmp_path / "x.lock", "it"):
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            with pytest.raises(Held):
                FileLock(tmp_path / "x.lock", "it").acquire()
        assert len(os.listdir("/proc/self/fd")) == before


def test_letting_go_twice_is_fine(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "x.lock", "it")
    lock.release()
    lock.acquire()
    lock.release()
    lock.release()


def test_what_cannot_be_locked_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(LocalFault, match="No such file"):
        FileLock(tmp_path / "missing" / "x.lock", "it").acquire()
    (tmp_path / "real.lock").write_text("")
    (tmp_path / "x.lock").symlink_to("real.lock")
    with pytest.raises(LocalFault):
        FileLock(tmp_path / "x.lock", "it").acquire()
