"""Files that a child process is told to read or write, and that are gone when this process is, however it ends."""

from __future__ import annotations

import os
from pathlib import Path


class AnonymousFile:
    """A file in memory, without a name; while it is open here, children of ours with our user id find it at `path`."""

    def __init__(self, content: bytes = b"") -> None:
        self._descriptor = os.memfd_create("migrator")
        os.write(self._descriptor, content)

    @property
    def path(self) -> Path:
        """Where a child can open it; each opening starts at its beginning, or appends."""
        return Path(f"/proc/{os.getpid()}/fd/{self._descriptor}")

    def read(self, limit_bytes: int) -> bytes:
        """Its beginning, as far as it has been written."""
        return os.pread(self._descriptor, limit_bytes, 0)

    def close(self) -> None:
        """Let it go; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
