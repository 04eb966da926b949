"""SFTP version 3 as bytes: packet numbers, attributes, names and status codes, packed and taken apart.

The format is draft-ietf-secsh-filexfer-02; extensions are described in OpenSSH's file PROTOCOL. Everything that
arrives here is untrusted: what does not fit raises Malformed or struct.error, never a wrong value.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from typing import NamedTuple

from migrator.domain.entries import Entry, Kind, display

INIT, VERSION = 1, 2
OPEN, CLOSE, READ, WRITE = 3, 4, 5, 6
LSTAT, FSTAT, SETSTAT, FSETSTAT = 7, 8, 9, 10
OPENDIR, READDIR, REMOVE, MKDIR, RMDIR = 11, 12, 13, 14, 15
REALPATH, STAT, RENAME, READLINK, SYMLINK = 16, 17, 18, 19, 20
STATUS, HANDLE, DATA, NAME, ATTRS = 101, 102, 103, 104, 105
EXTENDED, EXTENDED_REPLY = 200, 201

OK, EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE = 0, 1, 2, 3, 4, 5
OP_UNSUPPORTED = 8

OPEN_READ, OPEN_WRITE, OPEN_CREATE, OPEN_EXCLUSIVE = 0x01, 0x02, 0x08, 0x20

LIMITS = b"limits@openssh.com"
STATVFS = b"statvfs@openssh.com"
FSYNC = b"fsync@openssh.com"
POSIX_RENAME = b"posix-rename@openssh.com"
LSETSTAT = b"lsetstat@openssh.com"

LARGEST_TIME = 0xFFFFFFFF  # seconds: times are unsigned and have 32 bits

_LARGEST_SIZE = 2**63 - 1  # bytes: POSIX sizes are signed

_SIZE, _OWNER, _PERMISSIONS, _TIMES, _EXTENDED = 0x01, 0x02, 0x04, 0x08, 0x80000000
_USUAL = _SIZE | _OWNER | _PERMISSIONS | _TIMES

_WORD = struct.Struct(">I")
_TWO_WORDS = struct.Struct(">II")
_LONG = struct.Struct(">Q")
_USUAL_ATTRIBUTES = struct.Struct(">IQIIIII")
_REACH = struct.Struct(">QI")
_STATVFS_REPLY = struct.Struct(">11Q")
_LIMITS_REPLY = struct.Struct(">4Q")

_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.LINK}
_SECOND = 1_000_000_000

_SENTENCES = {
    EOF: "the end was reached too early",
    NO_SUCH_FILE: "no such file",
    PERMISSION_DENIED: "permission denied",
    FAILURE: "the server gives no reason",
    BAD_MESSAGE: "the server does not accept the request; the name may be too long",
    6: "no connection",
    7: "the connection was lost",
    OP_UNSUPPORTED: "the server does not support it",
}
_LONGEST_MESSAGE = 200  # bytes of a server's own words that are worth showing


class Malformed(ValueError):
    """The server sent something that is not SFTP version 3."""


class SftpFailure(Exception):
    """A request was answered with an error status; `str()` of it is a sentence for people. It stays in this package."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Attributes(NamedTuple):
    """What the server tells of one entry; None for what it leaves out, -1 for an owner that it leaves out."""

    size: int | None
    uid: int
    gid: int
    st_mode: int | None  # kind and permissions, as in POSIX
    mtime: int | None  # seconds

    @property
    def kind(self) -> Kind | None:
        """What the entry is; None when the server does not tell."""
        if self.st_mode is None or not stat.S_IFMT(self.st_mode):
            return None
        return _KINDS.get(stat.S_IFMT(self.st_mode), Kind.SPECIAL)

    def entry(self, path: bytes) -> Entry | None:
        """The entry at `path` with these attributes; None when kind, size or time are missing."""
        mode = self.st_mode
        kind = self.kind
        if kind is None or mode is None or self.mtime is None:
            return None
        if kind is not Kind.FILE:
            return Entry(path, kind, 0, self.mtime * _SECOND, mode & 0o7777, self.uid, self.gid)
        if self.size is None:
            return None
        return Entry(path, kind, self.size, self.mtime * _SECOND, mode & 0o7777, self.uid, self.gid)


class Limits(NamedTuple):
    """The answer to limits@openssh.com; 0 stands for "no limit told"."""

    packet: int
    read: int
    write: int
    handles: int


class FileSystem(NamedTuple):
    """The part of a statvfs@openssh.com answer that matters here."""

    free_bytes: int  # for an unprivileged user
    free_inodes: int | None
    is_read_only: bool
    number: int | None  # which file system it is; None where the server does not say


def string(value: bytes) -> bytes:
    """`value` with its length before it."""
    return _WORD.pack(len(value)) + value


def word(value: int) -> bytes:
    """32 bits."""
    return _WORD.pack(value)


def long(value: int) -> bytes:
    """64 bits."""
    return _LONG.pack(value)


def reach(offset: int, length: int) -> bytes:
    """The end of READ's payload, which begins with the handle."""
    return _REACH.pack(offset, length)


def attributes(
    *,
    size: int | None = None,
    mode: int | None = None,
    owner: tuple[int, int] | None = None,
    mtime: int | None = None,
) -> bytes:
    """Attributes to be set, and nothing else; `mtime` in seconds stands for the access time too."""
    flags = 0
    body = b""
    if size is not None:
        flags |= _SIZE
        body += _LONG.pack(size)
    if owner is not None:
        flags |= _OWNER
        body += _TWO_WORDS.pack(*owner)
    if mode is not None:
        flags |= _PERMISSIONS
        body += _WORD.pack(mode)
    if mtime is not None:
        flags |= _TIMES
        body += _TWO_WORDS.pack(mtime, mtime)
    return _WORD.pack(flags) + body


def take_string(body: bytes | memoryview, at: int) -> tuple[bytes, int]:
    """The string that starts at `at`, and where it ends."""
    (length,) = _WORD.unpack_from(body, at)
    end = at + 4 + length
    if end > len(body):
        raise Malformed("a string ends behind its packet")
    return bytes(body[at + 4 : end]), end


def take_attributes(body: bytes | memoryview, at: int) -> tuple[Attributes, int]:
    """The attributes that start at `at`, and where they end."""
    (flags,) = _WORD.unpack_from(body, at)
    if flags == _USUAL:
        _, size, uid, gid, mode, _, mtime = _USUAL_ATTRIBUTES.unpack_from(body, at)
        found, end = Attributes(size, uid, gid, mode, mtime), at + 32
    else:
        found, end = _take_unusual_attributes(flags, body, at + 4)
    if found.size is not None and found.size > _LARGEST_SIZE:
        raise Malformed(f"a size of {found.size} bytes, which no file can have")
    return found, end


def _take_unusual_attributes(flags: int, body: bytes | memoryview, at: int) -> tuple[Attributes, int]:
    size = st_mode = mtime = None
    uid = gid = -1
    if flags & _SIZE:
        (size,) = _LONG.unpack_from(body, at)
        at += 8
    if flags & _OWNER:
        uid, gid = _TWO_WORDS.unpack_from(body, at)
        at += 8
    if flags & _PERMISSIONS:
        (st_mode,) = _WORD.unpack_from(body, at)
        at += 4
    if flags & _TIMES:
        _, mtime = _TWO_WORDS.unpack_from(body, at)
        at += 8
    if flags & _EXTENDED:
        (pairs,) = _WORD.unpack_from(body, at)
        at += 4
        for _ in range(2 * pairs):  # a lie about their number ends at the packet's end
            _, at = take_string(body, at)
    return Attributes(size, uid, gid, st_mode, mtime), at


def take_names(body: memoryview) -> Iterator[tuple[bytes, Attributes]]:
    """The names of a NAME answer with their attributes, as the server lists them."""
    raw = bytes(body)
    (count,) = _WORD.unpack_from(raw, 0)
    at = 4
    for _ in range(count):
        name, at = take_string(raw, at)
        (longname_length,) = _WORD.unpack_from(raw, at)  # `ls -l` for people: of no use
        found, at = take_attributes(raw, at + 4 + longname_length)
        yield name, found


def take_name(body: memoryview) -> bytes:
    """The one name of an answer to REALPATH or READLINK."""
    names = list(take_names(body))
    if len(names) != 1:
        raise Malformed(f"{len(names)} names where one belongs")
    return names[0][0]


def take_handle(body: memoryview) -> bytes:
    """The handle in a HANDLE answer; 256 bytes at most, as the draft has it."""
    handle, _ = take_string(body, 0)
    if len(handle) > 256:
        raise Malformed("a handle of more than 256 bytes")
    return handle


def take_data(body: memoryview, most: int) -> bytes:
    """The content of a DATA answer to a request for `most` bytes."""
    (length,) = _WORD.unpack_from(body, 0)
    if length > most or length > len(body) - 4:
        raise Malformed("more content than was asked for, or less than was announced")
    return bytes(body[4 : 4 + length])


def take_status(body: memoryview) -> SftpFailure:
    """The status in a STATUS answer, OK included."""
    (code,) = _WORD.unpack_from(body, 0)
    sentence = _SENTENCES.get(code, f"status {code}")
    if code == FAILURE or code not in _SENTENCES:
        message = take_string(body, 4)[0] if len(body) > 4 else b""
        told = display(message[:_LONGEST_MESSAGE])
        if told and told.lower() != "failure":
            sentence = f"the server says: {told}"
    return SftpFailure(code, sentence)


def code_of(body: memoryview) -> int:
    """The code in a STATUS answer."""
    (code,) = _WORD.unpack_from(body, 0)
    return int(code)


def take_limits(body: memoryview) -> Limits:
    """The answer to limits@openssh.com."""
    return Limits(*_LIMITS_REPLY.unpack_from(body, 0))


def take_file_system(body: memoryview) -> FileSystem:
    """The answer to statvfs@openssh.com."""
    _, fragment, _, _, available, files, _, free_files, number, flags, _ = _STATVFS_REPLY.unpack_from(body, 0)
    return FileSystem(available * fragment, free_files if files else None, bool(flags & 1), number or None)


def take_extensions(body: memoryview) -> frozenset[bytes]:
    """The names of the extensions in a VERSION packet."""
    names = set()
    at = 0
    while at < len(body):
        name, at = take_string(body, at)
        _, at = take_string(body, at)
        names.add(name)
    return frozenset(names)
