"""From pieces to files at the target, a commit group at a time: what every carrying of content has in common."""

from __future__ import annotations

import hashlib
import time
from typing import NamedTuple

from migrator.domain.entries import Entry
from migrator.endpoints.contract import Piece, Problem, Writer

# The unit of sync, rename and journal. Whichever is reached first closes the group.
GROUP_ITEMS = 256
GROUP_BYTES = 8 * 1024 * 1024
GROUP_SECONDS = 1.0


class Carried(NamedTuple):
    """An item that is in place at the target, durably."""

    entry: Entry  # as it was found after its last byte was read
    sha256: bytes | None  # of what was read, and written; files only


class Stayed(NamedTuple):
    """An item that is not in place, and why."""

    path: bytes
    problem: Problem
    reason: str


class Group(NamedTuple):
    """The outcome of one commit group."""

    carried: tuple[Carried, ...]
    stayed: tuple[Stayed, ...]


class Landing:
    """Writes what it is given and commits it in groups; nothing is told as carried before its commit."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._digest = hashlib.sha256()
        self._is_open = False
        self._waiting: dict[bytes, Carried] = {}
        self._stayed: list[Stayed] = []
        self._bytes = 0
        self._began = time.monotonic()

    def link(self, entry: Entry) -> None:
        """Take a symbolic link."""
        self._writer.link(entry)
        self._waiting[entry.path] = Carried(entry, None)

    def hard_link(self, entry: Entry, first: bytes, sha256: bytes | None) -> None:
        """Take a further name of the file that stands at `first`."""
        self._writer.hard_link(entry, first)
        self._waiting[entry.path] = Carried(entry, sha256)

    def piece(self, piece: Piece) -> None:
        """Take the next piece of the file under way; one that ends in a problem leaves nothing behind."""
        if piece.problem is not None:
            self.abandon()
            self._stayed.append(Stayed(piece.entry.path, piece.problem, piece.reason))
            return
        if not self._is_open:
            self._writer.begin(piece.entry)
            self._digest = hashlib.sha256()
            self._is_open = True
        if piece.data:
            self._writer.write(piece.data)
            self._digest.update(piece.data)
            self._bytes += len(piece.data)
        if piece.found is not None:
            self._writer.finish(piece.found)
            self._is_open = False
            self._waiting[piece.entry.path] = Carried(piece.found, self._digest.digest())

    def stay(self, entry: Entry, problem: Problem, reason: str) -> None:
        """Note an item that cannot be carried."""
        self._stayed.append(Stayed(entry.path, problem, reason))

    def is_full(self, size_bytes: int) -> bool:
        """Whether the group must be committed before a file of that size is taken."""
        if self._is_open:
            return False
        if not self._waiting:
            return len(self._stayed) >= GROUP_ITEMS
        return (
            len(self._waiting) >= GROUP_ITEMS
            or self._bytes + size_bytes > GROUP_BYTES
            or time.monotonic() - self._began > GROUP_SECONDS
        )

    def commit(self) -> Group:
        """Make the group durable and say how each of its items went."""
        carried: list[Carried] = []
        for landed in self._writer.commit() if self._waiting else []:
            item = self._waiting.pop(landed.path)
            if landed.problem is None:
                carried.append(item)
            else:
                self._stayed.append(Stayed(landed.path, Problem.FAILED, landed.problem))
        group = Group(tuple(carried), tuple(self._stayed))
        self._waiting.clear()
        self._stayed.clear()
        self._bytes = 0
        self._began = time.monotonic()
        return group

    def abandon(self) -> None:
        """Drop the file under way."""
        if self._is_open:
            self._writer.abandon()
            self._is_open = False
