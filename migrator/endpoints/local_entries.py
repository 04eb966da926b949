"""What this machine's kernel says about an entry, as an Entry."""

from __future__ import annotations

import errno
import os
import stat

from migrator.domain.entries import Entry, Kind

_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.LINK}

# How often an entry that turns from a link into something else between two system calls is looked at again.
_LOOKS = 5


def kind_of(mode: int) -> Kind:
    """The kind that `st_mode` tells."""
    return _KINDS.get(stat.S_IFMT(mode), Kind.SPECIAL)


def entry_of(path: bytes, found: os.stat_result, link: bytes | None = None) -> Entry:
    """The entry that `found` describes; sizes count for files only."""
    mode = found.st_mode
    kind = _KINDS.get(stat.S_IFMT(mode), Kind.SPECIAL)
    return Entry(
        path,
        kind,
        found.st_size if kind is Kind.FILE else 0,
        found.st_mtime_ns,
        mode & 0o7777,
        found.st_uid,
        found.st_gid,
        link,
        found.st_ctime_ns,
        found.st_ino,
        found.st_nlink,
    )


def look_at(folder_fd: int, name: bytes, path: bytes) -> Entry:
    """The entry `name` in an open folder, its link text included; OSError when there is none or it cannot be seen."""
    for _ in range(_LOOKS):
        found = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
        if not stat.S_ISLNK(found.st_mode):
            return entry_of(path, found)
        try:
            return entry_of(path, found, os.readlink(name, dir_fd=folder_fd))
        except OSError as error:
            if error.errno != errno.EINVAL:  # no longer a link: look again
                raise
    raise OSError(errno.EAGAIN, "it keeps changing its kind", path)


def sentence(error: OSError) -> str:
    """Why a system call failed, in the kernel's words, for the reason of an item."""
    if error.errno in {errno.ELOOP, errno.ENOTDIR}:
        return "a link or a file stands where a folder is needed"
    if error.errno == errno.EISDIR:
        return "a folder stands there"
    return error.strerror or str(error)
