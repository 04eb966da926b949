"""Making a group of writes durable: one syncfs a file system where that reports errors, fsync elsewhere."""

from __future__ import annotations

import ctypes
import os
import platform
import re

_LIST_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)


def syncfs_reports_errors() -> bool:
    """Whether syncfs(2) tells about failed writes; it does from Linux 5.8 on."""
    match = re.match(r"(\d+)\.(\d+)", platform.release())
    return match is not None and (int(match[1]), int(match[2])) >= (5, 8)


class FileSystems:
    """One descriptor for each file system that is written to, opened before the writes whose errors it shall report."""

    def __init__(self) -> None:
        self._has_syncfs = syncfs_reports_errors()
        self._descriptors: dict[int, int] = {}

    def watch(self, folder_fd: int, device: int) -> bool:
        """Have errors on `device`, where the open folder lies, reported from now on; False: it needs fsync instead."""
        if device in self._descriptors:
            return True
        if not self._has_syncfs:
            return False
        try:
            self._descriptors[device] = os.open(b".", _LIST_FLAGS, dir_fd=folder_fd)
        except PermissionError:  # a folder that we may not list cannot serve; another one on the same device may
            return False
        return True

    def watches(self, device: int) -> bool:
        """Whether `sync` can be asked for `device`."""
        return device in self._descriptors

    def sync(self, device: int) -> None:
        """Make all that was written to a watched device durable; OSError when a write since `watch` failed.

        After an error the descriptor is let go, since the kernel reports each error once.
        """
        descriptor = self._descriptors[device]
        if _libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            os.close(self._descriptors.pop(device))
            raise OSError(number, os.strerror(number))

    def close(self) -> None:
        """Let go of every file system; may be called twice."""
        while self._descriptors:
            _, descriptor = self._descriptors.popitem()
            os.close(descriptor)
