"""The folders that items are written into: looked at component by component, made where they are missing.

SFTP version 3 has no handle to a folder, so that a folder swapped for a link between this look and a write cannot be
excluded; every commit group looks anew.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from functools import partial

from migrator.domain.entries import Kind, display
from migrator.endpoints.sftp import wire
from migrator.endpoints.sftp.session import SftpSession

PRIVATE_FOLDER = 0o700
MISSING = "the folder is not there"

# What was found out about a folder: None when it is there and real, else a sentence.
Verdict = str | None

_WRITABLE = 0o300  # its owner may change what is in it


class Folders:
    """What is known of the folders below an absolute path."""

    def __init__(self, session: SftpSession, base: bytes) -> None:
        self._session = session
        self._base = base
        self._prefix = base if base.endswith(b"/") else base + b"/"
        self._known: dict[bytes, Verdict] = {}
        self._closed_modes: dict[bytes, int] = {}  # of folders that their owner may not change
        self._waiters: dict[bytes, list[Callable[[], None]]] = {}  # by the folder that is being looked at

    def absolute(self, path: bytes) -> bytes:
        """The absolute path of `path`."""
        return self._prefix + path if path else self._base

    def forget(self) -> None:
        """Look at every folder anew when it is next needed."""
        self._known.clear()
        self._closed_modes.clear()

    def require(self, path: bytes, then: Callable[[Verdict], None], *, make: bool) -> None:
        """Call `then` once it is known whether `path` and all above it are real; `make` those that are missing."""
        if self._known.get(path, MISSING) is None:
            then(None)
        else:
            _Walk(self, path, then, make=make).go()

    def open_up(self, path: bytes) -> None:
        """Let a real folder be changed by what is sent next, where its mode forbids even its owner to.

        That is how a source's read-only folders are filled; `settle` gives them their own mode again. Whether it is
        ours to change shows in what follows.
        """
        mode = self._closed_modes.pop(path, None)
        if mode is not None:
            payload = wire.string(self.absolute(path)) + wire.attributes(mode=mode | PRIVATE_FOLDER)
            self._session.send(wire.SETSTAT, payload, _ignored)

    def known(self, path: bytes) -> tuple[bool, Verdict]:
        """Whether it is known what `path` is, and the verdict."""
        return path in self._known, self._known.get(path)

    def look(self, path: bytes, waiter: Callable[[], None], *, make: bool) -> None:
        """Find out about one folder whose parent is real, then call `waiter`."""
        waiters = self._waiters.setdefault(path, [])
        waiters.append(waiter)
        if len(waiters) == 1:
            name = wire.string(self.absolute(path))
            self._session.send(wire.LSTAT, name, partial(self._looked, path, make))

    def _looked(self, path: bytes, make: bool, kind: int, body: memoryview) -> None:  # noqa: FBT001 - bound, not called
        if kind == wire.STATUS and wire.code_of(body) == wire.NO_SUCH_FILE and make and path:
            self.open_up(path.rpartition(b"/")[0])
            payload = wire.string(self.absolute(path)) + wire.attributes(mode=PRIVATE_FOLDER)
            self._session.send(wire.MKDIR, payload, partial(self._made, path))
        elif kind == wire.STATUS and wire.code_of(body) == wire.NO_SUCH_FILE:
            self._conclude(path, MISSING if path else "the root is not there")
        else:
            self._found(path, "looked at", kind, body)

    def _made(self, path: bytes, kind: int, body: memoryview) -> None:
        if kind != wire.STATUS:
            raise self._session.unexpected(kind)
        if wire.code_of(body) == wire.OK:
            self._conclude(path, None)
        else:  # another mover may have made it in the meantime
            refusal = f"made: {wire.take_status(body)}"
            name = wire.string(self.absolute(path))
            self._session.send(wire.LSTAT, name, partial(self._found, path, refusal))

    def _found(self, path: bytes, refusal: str, kind: int, body: memoryview) -> None:
        if kind == wire.ATTRS:
            found, _ = wire.take_attributes(body, 0)
            if found.kind is not Kind.DIRECTORY:
                self._conclude(path, f"`{display(path)}` is {_called(found.kind)}, not a folder")
                return
            mode = stat.S_IMODE(found.st_mode or 0)
            if mode & _WRITABLE != _WRITABLE:
                self._closed_modes[path] = mode
            self._conclude(path, None)
        elif kind == wire.STATUS:
            self._conclude(path, f"the folder `{display(path)}` cannot be {refusal}")
        else:
            raise self._session.unexpected(kind)

    def _conclude(self, path: bytes, verdict: Verdict) -> None:
        self._known[path] = verdict
        for waiter in self._waiters.pop(path):
            waiter()


class _Walk:
    """From the root down to one folder, a component at a time; a loop, since paths may be deep."""

    __slots__ = ("_folders", "_make", "_part", "_path", "_then")

    def __init__(self, folders: Folders, path: bytes, then: Callable[[Verdict], None], *, make: bool) -> None:
        self._folders = folders
        self._path = path
        self._then = then
        self._make = make
        self._part = b""  # the folder that comes next; all above it are real

    def go(self) -> None:
        while True:
            is_known, verdict = self._folders.known(self._part)
            if not is_known or (verdict == MISSING and self._make):
                self._folders.look(self._part, self.go, make=self._make)
                return
            if verdict is not None or self._part == self._path:
                self._then(verdict)
                return
            slash = self._path.find(b"/", len(self._part) + 1)
            self._part = self._path if slash < 0 else self._path[:slash]


def _called(kind: Kind | None) -> str:
    return {Kind.LINK: "a link", Kind.FILE: "a file"}.get(kind or Kind.SPECIAL, "something else")


def _ignored(_kind: int, _body: memoryview) -> None:
    """What is answered does not matter."""
