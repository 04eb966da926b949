"""Trees as they lie on the disk."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Found(NamedTuple):
    """One entry below a root."""

    kind: str  # "file", "directory", "link" or "special", the words of `export`
    content: bytes  # SHA-256 of a file, text of a link
    size: int  # of a file; else 0
    mode: int
    mtime_ns: int

    @property
    def what(self) -> tuple[str, bytes]:
        """What makes it a version: kind and content."""
        return (self.kind, self.content)


Tree = dict[bytes, Found]  # by relative path; b"" is the root
Footprint = dict[bytes, tuple[int, ...]]


def walk(root: Path) -> Iterator[bytes]:
    """The path of everything below and including `root`; nothing when there is none."""
    if os.path.lexists(root):
        yield os.fsencode(root)
    for folder, folders, files in os.walk(os.fsencode(root)):
        yield from (os.path.join(folder, name) for name in (*folders, *files))


def tree(root: Path) -> Tree:
    """Everything below and including `root`; empty when there is none."""
    return {_relative(path, root): _found(path) for path in walk(root)}


def footprint(root: Path, but: tuple[Path, ...] = ()) -> Footprint:
    """What changes with any write to anything below `root`, but for what lies in `but`; of folders, only who they are.

    A folder's times move with every name that comes or goes in it, which its own entries tell.
    """
    apart = tuple(os.fsencode(path) for path in but)
    found: Footprint = {}
    for path in walk(root):
        if any(path == each or path.startswith(each + b"/") for each in apart):
            continue
        seen = os.lstat(path)
        is_folder = stat.S_ISDIR(seen.st_mode)
        times = () if is_folder else (seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_nlink)
        found[_relative(path, root)] = (seen.st_ino, seen.st_mode, seen.st_uid, seen.st_gid, *times)
    return found


def is_locked(path: Path) -> bool:
    """Whether any process holds the kernel lock on a file or folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        return True
    finally:
        os.close(descriptor)


def _relative(path: bytes, root: Path) -> bytes:
    return path[len(os.fsencode(root)) + 1 :]


def _found(path: bytes) -> Found:
    seen = os.lstat(path)
    mode = stat.S_IMODE(seen.st_mode)
    if stat.S_ISREG(seen.st_mode):
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        return Found("file", digest, seen.st_size, mode, seen.st_mtime_ns)
    if stat.S_ISDIR(seen.st_mode):
        return Found("directory", b"", 0, mode, seen.st_mtime_ns)
    if stat.S_ISLNK(seen.st_mode):
        return Found("link", os.readlink(path), 0, mode, seen.st_mtime_ns)
    return Found("special", b"", 0, mode, seen.st_mtime_ns)
