"""Packets of SFTP version 3 (draft-ietf-secsh-filexfer-02), as a server reads and writes them; names are bytes."""

from __future__ import annotations

import errno
import os
import stat
import struct
import time
from collections.abc import Sequence
from enum import IntEnum, IntFlag

from migrator.demo.served_tree import Changes


class Kind(IntEnum):
    """Packet types, by their names in the draft."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    SETSTAT = 9
    FSETSTAT = 10
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    MKDIR = 14
    RMDIR = 15
    REALPATH = 16
    STAT = 17
    RENAME = 18
    READLINK = 19
    SYMLINK = 20
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 200


class Code(IntEnum):
    """Status codes."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    OP_UNSUPPORTED = 8


class OpenFlag(IntFlag):
    """What OPEN asks for."""

    READ = 0x01
    WRITE = 0x02
    APPEND = 0x04
    CREATE = 0x08
    TRUNCATE = 0x10
    EXCLUSIVE = 0x20


class Has(IntFlag):
    """Which fields attributes carry."""

    SIZE = 0x01
    OWNER = 0x02
    MODE = 0x04
    TIMES = 0x08
    EXTENSIONS = 0x80000000


_CODE_OF_ERRNO = {
    errno.ENOENT: Code.NO_SUCH_FILE,
    errno.ENOTDIR: Code.NO_SUCH_FILE,
    errno.ELOOP: Code.NO_SUCH_FILE,
    errno.EPERM: Code.PERMISSION_DENIED,
    errno.EACCES: Code.PERMISSION_DENIED,
    errno.ENAMETOOLONG: Code.BAD_MESSAGE,
    errno.EINVAL: Code.BAD_MESSAGE,
}


class Malformed(Exception):
    """The client does not speak SFTP, or not well."""


class Request:
    """The body of one request, taken apart from front to back."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes; Malformed when there are fewer."""
        part = self._body[self._at : self._at + size]
        if len(part) < size:
            raise Malformed("a request is shorter than it says")
        self._at += size
        return part

    def uint32(self) -> int:
        """A number of four bytes."""
        return int.from_bytes(self.take(4), "big")

    def uint64(self) -> int:
        """A number of eight bytes."""
        return int.from_bytes(self.take(8), "big")

    def string(self) -> bytes:
        """Bytes behind their length."""
        return self.take(self.uint32())

    def path(self) -> bytes:
        """A string that can be a path; OSError when it holds a NUL."""
        path = self.string()
        if b"\0" in path:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return path

    def changes(self) -> Changes:
        """Attributes, in the role of what is to be set; extensions are skipped."""
        flags = self.uint32()
        size = self.uint64() if flags & Has.SIZE else None
        owner = (self.uint32(), self.uint32()) if flags & Has.OWNER else None
        mode = self.uint32() if flags & Has.MODE else None
        times = (self.uint32(), self.uint32()) if flags & Has.TIMES else None
        if flags & Has.EXTENSIONS:
            for _ in range(2 * self.uint32()):
                self.string()
        return Changes(size, owner, mode, times)


def version(extensions: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The answer to INIT; the only one without a request's number."""
    return struct.pack(">BI", Kind.VERSION, 3) + b"".join(_string(part) for pair in extensions for part in pair)


def status(code: Code, message: str = "") -> bytes:
    """A STATUS, without the request's number (as all answers below)."""
    return struct.pack(">BI", Kind.STATUS, code) + _string(message.encode()) + _string(b"")


def failure(error: OSError) -> bytes:
    """The STATUS that stands for `error`."""
    return status(_CODE_OF_ERRNO.get(error.errno or 0, Code.FAILURE), error.strerror or "")


def handle(name: bytes) -> bytes:
    """A HANDLE."""
    return bytes([Kind.HANDLE]) + _string(name)


def data(content: bytes) -> bytes:
    """A DATA."""
    return bytes([Kind.DATA]) + _string(content)


def attributes(found: os.stat_result) -> bytes:
    """An ATTRS."""
    return bytes([Kind.ATTRS]) + _packed(found)


def names(found: Sequence[tuple[bytes, os.stat_result | None]]) -> bytes:
    """A NAME."""
    entries = (_string(name) + _string(_long_name(name, look)) + _packed(look) for name, look in found)
    return struct.pack(">BI", Kind.NAME, len(found)) + b"".join(entries)


def _string(text: bytes) -> bytes:
    return len(text).to_bytes(4, "big") + text


def _packed(found: os.stat_result | None) -> bytes:
    if found is None:
        return bytes(4)
    flags = Has.SIZE | Has.OWNER | Has.MODE | Has.TIMES
    times = (max(0, min(int(seconds), 0xFFFFFFFF)) for seconds in (found.st_atime, found.st_mtime))
    return struct.pack(">IQ5I", flags, found.st_size, found.st_uid, found.st_gid, found.st_mode, *times)


def _long_name(name: bytes, look: os.stat_result | None) -> bytes:
    """A line as `ls -l` prints it, which is what clients show to people."""
    if look is None:
        return name
    day = time.strftime("%b %d %H:%M", time.localtime(look.st_mtime))
    facts = f"{stat.filemode(look.st_mode)} {look.st_nlink:>3} {look.st_uid} {look.st_gid} {look.st_size:>10} {day} "
    return facts.encode() + name
