"""Owner, mode and times of entries on this machine, as far as a plan keeps them."""

from __future__ import annotations

import os

from migrator.domain.entries import Entry

_SETID = 0o6000


class Metadata:
    """Sets what `keep` names; without `mode` a new entry stays closed to everybody but its owner."""

    def __init__(self, keep: frozenset[str]) -> None:
        self._owner = "owner" in keep
        self._mode = "mode" in keep
        self._times = "times" in keep
        self._mask = 0o7777 if "setid" in keep else 0o7777 & ~_SETID

    def set_on_file(self, fd: int, entry: Entry) -> None:
        """Give the open new file the owner, mode and times of `entry`; OSError when one is refused."""
        if self._owner:  # first, since a change of owner clears setuid and setgid
            os.fchown(fd, entry.uid, entry.gid)
        if self._mode:
            os.fchmod(fd, entry.mode & self._mask)
        if self._times:
            os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))

    def set_on_link(self, folder_fd: int, name: bytes, entry: Entry) -> None:
        """Give the link `name` in an open folder its owner and times; a link's mode means nothing on Linux."""
        if self._owner:
            os.chown(name, entry.uid, entry.gid, dir_fd=folder_fd, follow_symlinks=False)
        if self._times:
            os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=folder_fd, follow_symlinks=False)

    def set_on_folder(self, fd: int, entry: Entry) -> None:
        """Give a folder that is open with O_PATH its owner, mode and times; what is right already is left alone."""
        found = os.stat(fd)
        path = through(fd)
        if self._owner and (found.st_uid, found.st_gid) != (entry.uid, entry.gid):
            os.chown(path, entry.uid, entry.gid)
            found = os.stat(fd)
        if self._mode and found.st_mode & 0o7777 != entry.mode & self._mask:
            os.chmod(path, entry.mode & self._mask)
        if self._times and found.st_mtime_ns != entry.mtime_ns:
            os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))


def open_up(fd: int) -> bool:
    """Let the owner read, write and search a folder open with O_PATH; False when it is not ours or was open already."""
    found = os.stat(fd)
    if found.st_uid != os.geteuid() or found.st_mode & 0o700 == 0o700:
        return False
    os.chmod(through(fd), found.st_mode & 0o7777 | 0o700)
    return True


def through(fd: int) -> bytes:
    """A path that is the very file behind an O_PATH descriptor, for the system calls that do not take one."""
    return b"/proc/self/fd/%d" % fd
