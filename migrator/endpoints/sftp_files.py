"""One file on its way from the server: opened, read, looked at again, closed; small ones and large ones.

Neither waits for anything: each step is taken when the answer to the one before has come.
"""

from __future__ import annotations

from collections import deque
from functools import partial

from migrator.domain.entries import Entry, Kind
from migrator.endpoints import sftp_wire as wire
from migrator.endpoints.contract import Piece, Problem
from migrator.endpoints.sftp_session import SftpSession

# Content asked for or held on behalf of files that wait for their turn; the one whose turn it is has as much again.
AHEAD_BYTES = 4 * 1024 * 1024

_OPEN_FOR_READING = wire.word(wire.OPEN_READ) + wire.attributes()


class Window:
    """What the files of one reader share."""

    def __init__(self, session: SftpSession, base: bytes) -> None:
        self.session = session
        self.prefix = base if base.endswith(b"/") else base + b"/"
        self.base = base
        self.held_bytes = 0  # content asked for or received, and not handed out yet
        self.refused: deque[IncomingFile] = deque()  # to be opened again with no other handle open
        self.hungry: dict[LargeFile, None] = {}  # with content that is not asked for yet, in the order of their turn
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

    @property
    def large(self) -> LargeFile | None:
        """The file that takes a share of the window, if that is how it is read."""
        raise NotImplementedError

    def take(self) -> Piece | None:
        """The next piece, if it has come."""
        raise NotImplementedError

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


class SmallFile(IncomingFile):
    """A file that one READ can carry whole, which is handed out in one piece."""

    __slots__ = ("_answers_missing", "_asked_bytes", "_careful", "_data", "_second")

    def __init__(self, window: Window, entry: Entry) -> None:
        super().__init__(window, entry)
        self._asked_bytes = entry.size + 1  # the byte too many tells a file that grew
        self._answers_missing = 3
        self._data = b""
        self._second: wire.Attributes | None = None
        self._careful: LargeFile | None = None
        window.held_bytes += self._asked_bytes

    @property
    def large(self) -> LargeFile | None:
        """Its second attempt, if it needs one."""
        return self._careful

    def take(self) -> Piece | None:
        """The whole file, or what is wrong with it."""
        if self._careful is not None:
            piece = self._careful.take()
            self.is_done = self._careful.is_done
            return piece
        if self.outcome is not None:
            self._forget()
            self.is_done = True
        return self.outcome

    def let_go(self) -> None:
        """Close the handle, if it is open."""
        super().let_go()
        if self._careful is not None:
            self._careful.let_go()

    def _begin(self) -> None:
        send = self.window.session.send
        handle = self.handle
        send(wire.FSTAT, handle, self._looked)
        send(wire.READ, handle + wire.reach(0, self._asked_bytes), self._got)
        send(wire.LSTAT, self.name, self._looked_again)
        self.is_open = False
        send(wire.CLOSE, handle, self.window.closed)

    def _looked(self, kind: int, body: memoryview) -> None:
        self._take_first(kind, body)
        self._answered()

    def _got(self, kind: int, body: memoryview) -> None:
        if kind == wire.DATA:
            self._data = wire.take_data(body, self._asked_bytes)
        elif kind != wire.STATUS or wire.code_of(body) != wire.EOF:
            self._fail(kind, body)
        self._answered()

    def _looked_again(self, kind: int, body: memoryview) -> None:
        self._second = self._take_second(kind, body)
        self._answered()

    def _answered(self) -> None:
        self._answers_missing -= 1
        if self._answers_missing or self.window.is_abandoned:
            return
        second = self._second
        trouble = self._trouble(second)
        announced = second.size if trouble is None and second is not None else None
        if announced is not None and len(self._data) < announced:
            # It grew before it was opened, or the server is sparing: ask on until the end is sure.
            self._forget()
            self._careful = LargeFile(self.window, self.entry)
            self._careful.start()
            return
        if announced is not None and len(self._data) > announced:
            trouble = Problem.FAILED, _too_much(announced)
        self.outcome = self._verdict(trouble, self._data, second)

    def _forget(self) -> None:
        self.window.held_bytes -= self._asked_bytes
        self._asked_bytes = 0


class LargeFile(IncomingFile):
    """A file read through a window, whose pieces are handed out in order; works for files of any size."""

    __slots__ = (
        "_asked_up_to",
        "_chunks",
        "_end",
        "_is_too_long",
        "_outstanding",
        "_own_bytes",
        "_round",
        "_size",
        "_taken_up_to",
    )

    def __init__(self, window: Window, entry: Entry) -> None:
        super().__init__(window, entry)
        self._round = 0  # answers to an earlier round are not kept
        self._own_bytes = 0  # this file's share of the window
        self._chunks: dict[int, bytes] = {}
        self._taken_up_to = 0
        self._rewind()

    @property
    def large(self) -> LargeFile:
        """The file itself."""
        return self

    def take(self) -> Piece | None:
        """The piece that comes next in the file, or at last the verdict."""
        data = self._chunks.pop(self._taken_up_to, None)
        if data is not None:
            self._hold(-len(data))
            data = data[: self._size - self._taken_up_to]
            self._taken_up_to += len(data)
            if data:
                return Piece(self.entry, data)
        if self.outcome is not None:
            self.is_done = True
            self.drop()
        return self.outcome

    def fill(self, most_bytes: int) -> None:
        """Ask for content until this file's share of the window, or all that is left, is asked for."""
        chunk = self.window.session.read_bytes
        while self._asked_up_to <= self._size and self._own_bytes < most_bytes:
            # The last request asks for a byte too many, which tells a file that grew.
            length = min(chunk, self._size + 1 - self._asked_up_to)
            self._ask(self._asked_up_to, length)
            self._asked_up_to += length
        if self._asked_up_to > self._size:
            self.window.hungry.pop(self, None)

    def park(self) -> None:
        """Give the handle back before anything was handed out, and wait to be opened again."""
        self.drop()
        self._rewind()
        self.window.refused.append(self)

    def drop(self) -> None:
        """Forget what was read and close the handle; answers that still come are not kept."""
        self._round += 1
        self.window.hungry.pop(self, None)
        self._hold(-sum(map(len, self._chunks.values())))
        self._chunks.clear()
        self.let_go()

    def _rewind(self) -> None:
        self._size = 0  # as the server tells it once the file is open
        self._asked_up_to = 0
        self._end: int | None = None  # where the server says that the file ends, if that is before its size
        self._is_too_long = False
        self._outstanding = 0

    def _begin(self) -> None:
        self.window.session.send(wire.FSTAT, self.handle, self._looked)

    def _looked(self, kind: int, body: memoryview) -> None:
        self._take_first(kind, body)
        if not self.is_open:
            return
        first = self.first
        if first is None or first.kind is not Kind.FILE or first.size is None:
            self._look_again()
            return
        self._size = first.size
        self.window.hungry[self] = None

    def _ask(self, offset: int, length: int) -> None:
        self._outstanding += 1
        self._hold(length)
        request = self.handle + wire.reach(offset, length)
        self.window.session.send(wire.READ, request, partial(self._got, self._round, offset, length))

    def _got(self, asked_in_round: int, offset: int, length: int, kind: int, body: memoryview) -> None:
        self._hold(-length)
        if asked_in_round != self._round:
            return
        self._outstanding -= 1
        data = b""
        if kind == wire.DATA:
            data = wire.take_data(body, length)
        elif kind != wire.STATUS or wire.code_of(body) != wire.EOF:
            self._fail(kind, body)
        self._keep(offset, length, data)
        if self._outstanding == 0 and self._asked_up_to > self._size:
            self._look_again()

    def _keep(self, offset: int, length: int, data: bytes) -> None:
        stop = offset + len(data)
        if data:
            self._chunks[offset] = data
            self._hold(len(data))
            self._is_too_long = self._is_too_long or stop > self._size
            if len(data) < length and stop < self._size:
                self._ask(stop, length - len(data))
        elif offset < self._size:
            self._end = offset if self._end is None else min(offset, self._end)
            self._asked_up_to = self._size + 1  # nothing lies behind the end: ask for no more
            self.window.hungry.pop(self, None)

    def _look_again(self) -> None:
        self.window.session.send(wire.LSTAT, self.name, self._looked_again)
        self.let_go()

    def _looked_again(self, kind: int, body: memoryview) -> None:
        second = self._take_second(kind, body)
        trouble = self._trouble(second)
        if trouble is None and self._end is not None:
            trouble = Problem.FAILED, f"short read {self._end} of {self._size}"
        if trouble is None and self._is_too_long:
            trouble = Problem.FAILED, _too_much(self._size)
        self.outcome = self._verdict(trouble, b"", second)

    def _hold(self, size_bytes: int) -> None:
        self._own_bytes += size_bytes
        self.window.held_bytes += size_bytes


def _too_much(announced_bytes: int) -> str:
    return f"more content than the {announced_bytes} bytes that were announced"
