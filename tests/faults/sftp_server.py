"""An SFTP server of the tests' own, on standard input and output: honest, unless whoever starts it tampers with it.

The format is draft-ietf-secsh-filexfer-02. Nothing of migrator is used here, so that a mistake of ours about that
format shows. Any python3 runs it, as it is, from a copy.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
from collections.abc import Callable

INIT, VERSION = 1, 2
OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT = 3, 4, 5, 6, 7, 8, 9, 10
OPENDIR, READDIR, REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME, READLINK, SYMLINK = (
    11,
    12,
    13,
    14,
    15,
    16,
    17,
    18,
    19,
    20,
)
STATUS, HANDLE, DATA, NAME, ATTRS, EXTENDED = 101, 102, 103, 104, 105, 200

OK, EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, UNSUPPORTED = 0, 1, 2, 3, 4, 8

ABOUT_A_HANDLE = frozenset({CLOSE, READ, WRITE, FSTAT, FSETSTAT, READDIR})
WRITING = {WRITE: "write", SETSTAT: "setstat", FSETSTAT: "fsetstat", REMOVE: "remove", MKDIR: "mkdir", RMDIR: "rmdir"}
_EXTENSIONS = (b"posix-rename@openssh.com", b"fsync@openssh.com")
_CODES = {errno.ENOENT: NO_SUCH_FILE, errno.ENOTDIR: NO_SUCH_FILE, errno.EACCES: PERMISSION_DENIED}
_OPEN_FLAGS = ((0x04, os.O_APPEND), (0x08, os.O_CREAT), (0x10, os.O_TRUNC), (0x20, os.O_EXCL))


def string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def packet(kind: int, number: int, body: bytes = b"") -> bytes:
    """A whole packet; for VERSION, `number` is the version."""
    return struct.pack(">IBI", len(body) + 5, kind, number) + body


def status(number: int, code: int, words: bytes = b"") -> bytes:
    return packet(STATUS, number, struct.pack(">I", code) + string(words) + string(b""))


def attributes(mode: int, size: int = 0, mtime: int = 1_500_000_000) -> bytes:
    """Kind, size and times, as an entry with that `st_mode` has them."""
    return struct.pack(">IQIIIII", 0x0F, size, 0, 0, mode, mtime & 0xFFFFFFFF, mtime & 0xFFFFFFFF)


def names(*listed: tuple[bytes, bytes], count: int | None = None) -> bytes:
    """The body of a NAME about (name, attributes); `count` is what it announces, by default the truth."""
    body = b"".join(string(name) + string(name) + facts for name, facts in listed)
    return struct.pack(">I", len(listed) if count is None else count) + body


def attributes_of(found: os.stat_result) -> bytes:
    return attributes(found.st_mode, found.st_size, int(found.st_mtime))


class Request:
    """One request; `path` is what it is about, also where it names a handle."""

    def __init__(self, kind: int, number: int, body: bytes) -> None:
        self.kind = kind
        self.number = number
        self.body = body
        self.path = b""
        self.handle = b""
        self._at = 0

    def string(self) -> bytes:
        length = self.word()
        self._at += length
        return self.body[self._at - length : self._at]

    def word(self) -> int:
        self._at += 4
        return int.from_bytes(self.body[self._at - 4 : self._at], "big")

    def long(self) -> int:
        return self.word() << 32 | self.word()

    @property
    def name(self) -> bytes:
        """The last component of what it is about."""
        return self.path.rpartition(b"/")[2]


Tamper = Callable[["Server", Request], "bytes | None"]  # whole packets in place of the honest answer; None: that one


class Server:
    """Serves one client until it hangs up; `keep` is a folder in which sessions can leave something for the next."""

    def __init__(self, keep: str, tamper: Tamper = lambda _server, _request: None) -> None:
        self._keep = keep
        self._tamper = tamper
        self._opened = 0
        self.handles: dict[bytes, tuple[int, bytes]] = {}  # descriptor and path
        self._asked: set[str] = set()
        self._unlisted: dict[bytes, list[bytes]] = {}

    def serve(self) -> None:
        with contextlib.suppress(EOFError, BrokenPipeError):
            while True:
                length, kind, number = struct.unpack(">IBI", self.hear(9))
                self.say(self.answer(Request(kind, number, self.hear(length - 5))))

    def hear(self, count: int) -> bytes:
        """So many bytes of what the client says; EOFError when it has hung up."""
        parts = []
        while count:
            part = os.read(0, min(count, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def say(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(1, rest) :]

    def fall_silent(self) -> None:
        """Listen until the client hangs up."""
        while True:
            self.hear(1)

    def turn(self, what: str) -> int:
        """How many times this was asked before, by all sessions together."""
        with open(os.path.join(self._keep, "turns " + what), "ab") as file:
            file.write(b".")
            file.flush()
            return file.tell() - 1

    def is_again(self, what: str) -> bool:
        """Whether this was asked before in this session."""
        was_asked = what in self._asked
        self._asked.add(what)
        return was_asked

    def answer(self, request: Request) -> bytes:
        if request.kind in ABOUT_A_HANDLE:
            request.handle = request.string()
            request.path = self.handles.get(request.handle, (-1, b""))[1]
        elif request.kind not in (INIT, EXTENDED):
            request.path = request.string()
        self._note(request)
        tampered = self._tamper(self, request)
        return self.honest(request) if tampered is None else tampered

    def honest(self, request: Request) -> bytes:
        """The answer that a decent server gives; each request can be answered once."""
        try:
            return self._honest(request)
        except OSError as error:
            return status(request.number, _CODES.get(error.errno or 0, FAILURE), os.strerror(error.errno or 0).encode())

    def new_handle(self, descriptor: int, path: bytes) -> bytes:
        self._opened += 1
        handle = b"%d" % self._opened
        self.handles[handle] = descriptor, path
        return handle

    def _note(self, request: Request) -> None:
        """Write down what would change something, and where."""
        asked = Request(request.kind, request.number, request.body)
        what, places = WRITING.get(request.kind), [request.path]
        if request.kind == OPEN:
            asked.string()
            what = "open" if asked.word() & ~0x01 else None
        elif request.kind in (RENAME, SYMLINK):
            first, second = asked.string(), asked.string()
            what = "rename" if request.kind == RENAME else "symlink"
            places = [first, second] if what == "rename" else [second]  # a link may say anything
        elif request.kind == EXTENDED and asked.string() == _EXTENSIONS[0]:
            what, places = "rename", [asked.string(), asked.string()]
        if what is not None:
            with open(os.path.join(self._keep, "writes"), "a", encoding="ascii") as file:
                file.write(" ".join([what, *(place.hex() for place in places)]) + "\n")

    def _honest(self, request: Request) -> bytes:
        kind, number, path = request.kind, request.number, request.path
        if kind == INIT:
            return packet(VERSION, 3, b"".join(string(name) + string(b"1") for name in _EXTENSIONS))
        if kind in ABOUT_A_HANDLE:
            if request.handle not in self.handles:
                return status(number, FAILURE, b"no such handle")
            return self._about_a_handle(request, self.handles[request.handle][0])
        if kind in (LSTAT, STAT):
            return packet(ATTRS, number, attributes_of(os.stat(path, follow_symlinks=kind == STAT)))
        if kind in (REALPATH, READLINK):
            found = os.path.realpath(path) if kind == REALPATH else os.readlink(path)
            return packet(NAME, number, names((found, bytes(4))))
        is_opening = kind in (OPEN, OPENDIR)
        return self._open(request) if is_opening else status(number, OK if self._change(request) else UNSUPPORTED)

    def _open(self, request: Request) -> bytes:
        if request.kind == OPENDIR:
            handle = self.new_handle(os.open(request.path, os.O_RDONLY | os.O_DIRECTORY), request.path)
            self._unlisted[handle] = [b".", b"..", *sorted(os.listdir(request.path))]
        else:
            wanted = request.word()
            flags = (os.O_RDONLY, os.O_RDONLY, os.O_WRONLY, os.O_RDWR)[wanted & 3]
            flags |= sum(here for there, here in _OPEN_FLAGS if wanted & there)
            mode = _Changes(request).mode
            handle = self.new_handle(os.open(request.path, flags, 0o666 if mode is None else mode), request.path)
        return packet(HANDLE, request.number, string(handle))

    def _about_a_handle(self, request: Request, descriptor: int) -> bytes:
        kind, number = request.kind, request.number
        if kind == READDIR:
            left = self._unlisted.get(request.handle, [])
            some, left[:] = left[:100], left[100:]
            looks = ((name, attributes_of(os.lstat(os.path.join(request.path, name)))) for name in some)
            return packet(NAME, number, names(*looks)) if some else status(number, EOF)
        if kind == FSTAT:
            return packet(ATTRS, number, attributes_of(os.fstat(descriptor)))
        if kind == READ:
            offset, length = request.long(), request.word()
            data = os.pread(descriptor, min(length, 32768), offset)
            return packet(DATA, number, string(data)) if data else status(number, EOF)
        if kind == CLOSE:
            os.close(self.handles.pop(request.handle)[0])
        elif kind == WRITE:
            offset = request.long()
            os.pwrite(descriptor, request.string(), offset)
        else:
            _Changes(request).make(descriptor)
        return status(number, OK)

    def _change(self, request: Request) -> bool:
        kind, path = request.kind, request.path
        if kind == SETSTAT:
            _Changes(request).make(path)
        elif kind == MKDIR:
            os.mkdir(path, 0o777 if (mode := _Changes(request).mode) is None else mode)
        elif kind in (REMOVE, RMDIR):
            (os.unlink if kind == REMOVE else os.rmdir)(path)
        elif kind == SYMLINK:
            os.symlink(path, request.string())  # the text first, as OpenSSH has it
        elif kind == RENAME:
            os.link(path, request.string(), follow_symlinks=False)  # fails where something stands
            os.unlink(path)
        elif kind == EXTENDED:
            return self._extended(request)
        else:
            return False
        return True

    def _extended(self, request: Request) -> bool:
        what = request.string()
        if what == _EXTENSIONS[0]:
            os.rename(request.string(), request.string())
        elif what == _EXTENSIONS[1]:
            os.fsync(self.handles[request.string()][0])
        else:
            return False
        return True


class _Changes:
    """What is to be set, as the client wants it."""

    def __init__(self, request: Request) -> None:
        flags = request.word()
        self._size = request.long() if flags & 0x01 else None
        self._owner = (request.word(), request.word()) if flags & 0x02 else None
        self.mode = stat.S_IMODE(request.word()) if flags & 0x04 else None
        self._times = (request.word(), request.word()) if flags & 0x08 else None

    def make(self, place: int | bytes) -> None:
        if self._size is not None:
            os.truncate(place, self._size)
        if self._owner is not None:
            os.chown(place, *self._owner)
        if self.mode is not None:
            os.chmod(place, self.mode)
        if self._times is not None:
            os.utime(place, self._times)
