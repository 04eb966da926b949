"""What files on their way from the server have in common: they are opened, read, looked at again and judged.

A file waits for nothing: each step is taken when the answer to the one before has come.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from migrator.domain.entries import Entry, Kind
from migrator.endpoints.contract import Piece, Problem
from migrator.endpoints.sftp import wire
from migrator.endpoints.sftp.session import SftpSession

# Content asked for or held on behalf of files that wait for their turn; the one whose turn it is has as much again.
AHEAD_BYTES = 4 * 1024 * 1024

_OPEN_FOR_READING = wire.word(wire.OPEN_READ) + wire.attributes()


class Hungry(Protocol):
    """A file that is read through a window, and has content that is not asked for yet."""

    def fill(self, most_bytes: int) -> None:
        """Ask for content until this file's share of the window is `most_bytes`, or no more is left."""

    def park(self) -> None:
        """Give the handle back before anything was handed out, and wait to be opened again."""


class Window:
    """What the files of one reader share."""

    def __init__(self, session: SftpSession, base: bytes) -> None:
        self.session = session
        self.prefix = base if base.endswith(b"/") else base + b"/"
        self.base = base
        self.held_bytes = 0  # content asked for or received, and not handed out yet
        self.refused: deque[IncomingFile] = deque()  # to be opened again with no other handle open
        self.hungry: dict[Hungry, None] = {}  # with content that is not asked for yet, in the order of their turn
        self.is_abandoned = False

    def closed(self, _kind: int, _body: memoryview) -> None:
        """A handle that was read from is closed; how that went changes nothing."""
        self.session.handles.open -= 1


class IncomingFile:
    """What small and large files have in common: opening, and the verdict at the end."""

    __slots__ = (
        "_is_gone",
        "entry",
        "first",
        "handle",
        "is_done",
        "is_open",
        "name",
        "open_when_refused",
        "outcome",
        "reason",
        "window",
    )

    def __init__(self, window: Window, entry: Entry) -> None:
        self.window = window
        self.entry = entry
        self.name = wire.string(window.prefix + entry.path if entry.path else window.base)
        self.handle = b""  # with its length before it
        self.is_open = False
        self.is_done = False  # the last piece was taken
        self.outcome: Piece | None = None  # the last piece
        self.first: wire.Attributes | None = None
        self.reason = ""  # why it cannot be read on
        self._is_gone = False  # from its path, after it was read
        self.open_when_refused = 0  # other handles that were open when the server refused this one; 0: it never did

    def start(self) -> None:
        """Ask for the handle."""
        session = self.window.session
        session.handles.open += 1
        session.send(wire.OPEN, self.name + _OPEN_FOR_READING, self._opened)

    def take(self) -> Piece | None:
        """The next piece, if it has come."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Nobody asks for more of it: give back what it holds."""
        self.let_go()

    def let_go(self) -> None:
        """Close the handle, if it is open."""
        if self.is_open:
            self.is_open = False
            self.window.session.send(wire.CLOSE, self.handle, self.window.closed)

    def _begin(self) -> None:
        raise NotImplementedError

    def _opened(self, kind: int, body: memoryview) -> None:
        handles = self.window.session.handles
        if kind == wire.HANDLE:
            self.handle = wire.string(wire.take_handle(body))
            self.is_open = True
            if self.open_when_refused:
                handles.learn(retry_succeeded=True, open_when_refused=self.open_when_refused)
            if self.window.is_abandoned:
                self.let_go()
            else:
                self._begin()
            return
        if kind != wire.STATUS:
            raise self.window.session.unexpected(kind)
        handles.open -= 1
        failure = wire.take_status(body)
        if self.open_when_refused:
            handles.learn(retry_succeeded=False, open_when_refused=self.open_when_refused)
        elif handles.is_worth_retrying(failure.code):
            self.open_when_refused = handles.open
            self.window.refused.append(self)
            return
        problem = Problem.VANISHED if failure.code == wire.NO_SUCH_FILE else Problem.FAILED
        self.outcome = Piece(self.entry, b"", problem=problem, reason=str(failure))

    def _take_first(self, kind: int, body: memoryview) -> None:
        if kind == wire.ATTRS:
            self.first, _ = wire.take_attributes(body, 0)
        else:
            self._fail(kind, body)

    def _fail(self, kind: int, body: memoryview) -> None:
        if kind != wire.STATUS:
            raise self.window.session.unexpected(kind)
        self.reason = self.reason or str(wire.take_status(body))

    def _take_second(self, kind: int, body: memoryview) -> wire.Attributes | None:
        if kind == wire.ATTRS:
            return wire.take_attributes(body, 0)[0]
        self._is_gone = kind == wire.STATUS and wire.code_of(body) == wire.NO_SUCH_FILE
        self._fail(kind, body)
        return None

    def _trouble(self, second: wire.Attributes | None) -> tuple[Problem, str] | None:
        """What the two looks tell against the content; `second` is None where there was nothing to look at."""
        first = self.first
        if self._is_gone:
            return Problem.CHANGED, "gone while it was read"
        if second is None or first is None:
            return Problem.FAILED, self.reason
        if first.kind is not Kind.FILE or second.kind is not Kind.FILE:
            return Problem.CHANGED, "no longer a file"
        if first.size != second.size or first.mtime != second.mtime:
            return Problem.CHANGED, "written to while it was read"
        if second.size is None or second.mtime is None:
            return Problem.FAILED, "the server does not tell its size and time"
        return (Problem.FAILED, self.reason) if self.reason else None

    def _verdict(self, trouble: tuple[Problem, str] | None, data: bytes, second: wire.Attributes | None) -> Piece:
        if trouble is not None:
            return Piece(self.entry, b"", problem=trouble[0], reason=trouble[1])
        assert second is not None
        return Piece(self.entry, data, second.entry(self.entry.path))


def too_much(announced_bytes: int) -> str:
    """The sentence for a file that does not end where it should."""
    return f"more content than the {announced_bytes} bytes that were announced"
