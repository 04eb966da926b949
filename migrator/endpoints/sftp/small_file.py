"""A file that one READ can carry: OPEN; then FSTAT, READ, LSTAT and CLOSE together.

The protocol makes a server handle requests for one file in the order they come, so that the LSTAT is a look after
the last byte.
"""

from __future__ import annotations

from migrator.domain.entries import Entry
from migrator.endpoints.contract import Piece, Problem
from migrator.endpoints.sftp import wire
from migrator.endpoints.sftp.incoming import IncomingFile, Window, too_much
from migrator.endpoints.sftp.large_file import LargeFile


class SmallFile(IncomingFile):
    """A file that one READ can carry whole, which is handed out in one piece."""

    __slots__ = ("_answers_missing", "_asked_bytes", "_data", "_second", "careful")

    def __init__(self, window: Window, entry: Entry) -> None:
        super().__init__(window, entry)
        self._asked_bytes = entry.size + 1  # the byte too many tells a file that grew
        self._answers_missing = 3
        self._data = b""
        self._second: wire.Attributes | None = None
        self.careful: LargeFile | None = None  # the second attempt, where one READ did not bring it all
        window.held_bytes += self._asked_bytes

    def take(self) -> Piece | None:
        """The whole file, or what is wrong with it."""
        if self.careful is not None:
            piece = self.careful.take()
            self.is_done = self.careful.is_done
            return piece
        if self.outcome is not None:
            self._forget()
            self.is_done = True
        return self.outcome

    def abandon(self) -> None:
        """Nobody asks for more of it: give back what it holds."""
        super().abandon()
        if self.careful is not None:
            self.careful.abandon()

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
            self.careful = LargeFile(self.window, self.entry)
            self.careful.start()
            return
        if announced is not None and len(self._data) > announced:
            trouble = Problem.FAILED, too_much(announced)
        self.outcome = self._verdict(trouble, self._data, second)

    def _forget(self) -> None:
        self.window.held_bytes -= self._asked_bytes
        self._asked_bytes = 0
