"""What every lane says about a path that cannot be, a system call that failed, and a disk that gave out."""

from __future__ import annotations

import errno

from migrator.domain.entries import display
from migrator.errors import EndpointUnavailable, Incomplete, MigratorError, SafetyStop

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
DISK_FAULTS = _FULL | {errno.EROFS, errno.EIO}


def check_path(path: bytes) -> None:
    """Raise SafetyStop for a relative path that could mean something else than the entry it names."""
    if b"\0" in path or any(name in {b"", b".", b".."} for name in path.split(b"/")):
        raise SafetyStop(
            f"the path `{display(path)}` is not that of an entry below a root",
            hint="a listing that holds such a name is wrong or hostile; nothing was written for it",
        )


def sentence(error: OSError) -> str:
    """Why a system call failed, in the kernel's words, for the reason of an item."""
    if error.errno in {errno.ELOOP, errno.ENOTDIR}:
        return "a link or a file stands where a folder is needed"
    if error.errno == errno.EISDIR:
        return "a folder stands there"
    return error.strerror or str(error)


def disk_fault(root: bytes, error: OSError) -> MigratorError:
    """The error to raise when the disk below a target root is full or failing."""
    if error.errno in _FULL:
        return Incomplete(
            f"the target `{display(root)}` is full: {error.strerror}",
            hint="make room there (bytes, inodes or quota), then type the same command again",
        )
    return EndpointUnavailable(
        f"the target `{display(root)}` cannot be written: {error.strerror}",
        hint="look at its disk and how it is mounted, then type the same command again",
    )
