"""A file of any size on its way from the server, read through a window and looked at when all of it has arrived."""

from __future__ import annotations

from functools import partial

from migrator.domain.entries import Entry, Kind
from migrator.endpoints.contract import Piece, Problem
from migrator.endpoints.sftp import wire
from migrator.endpoints.sftp.incoming import IncomingFile, Window, too_much


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

    def abandon(self) -> None:
        """Nobody asks for more of it: give back what it holds."""
        self.drop()

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
            trouble = Problem.FAILED, too_much(self._size)
        self.outcome = self._verdict(trouble, b"", second)

    def _hold(self, size_bytes: int) -> None:
        self._own_bytes += size_bytes
        self.window.held_bytes += size_bytes
