"""A file behind an SFTP server that is read in parts, with many requests in flight."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from migrator.domain.entries import Entry, Kind
from migrator.endpoints.contract import HASH_BLOCK, Checked, Extent, Problem, Span
from migrator.endpoints.sftp import calls, wire
from migrator.endpoints.sftp.session import SftpSession
from migrator.endpoints.sftp.wire import Attributes, SftpFailure

_AHEAD_BYTES = 6 << 20


class Handle:
    """An open file of one session, read at any place; each answer lands where it was asked for."""

    def __init__(self, session: SftpSession, name: bytes, flags: int) -> None:
        """SftpFailure when the server does not open it."""
        self.session = session
        self.handle = calls.open_file(session, name, flags)
        session.handles.open += 1
        self._is_closed = False

    def read(self, extents: Iterable[Extent]) -> Iterator[Span | str]:
        """The content of the extents in order, requests for what follows in flight; words where it cannot be read."""
        coming = _requests(extents, self.session.read_bytes)
        asked: deque[_Answer] = deque()
        ahead_bytes = 0
        while True:
            while ahead_bytes < _AHEAD_BYTES and (request := next(coming, None)) is not None:
                asked.append(self._ask(request))
                ahead_bytes += request.length
            if not asked:
                return
            first = asked[0]
            while not first.is_there:
                self.session.pump()
            if first.fault:
                yield first.fault
                return
            if 0 < len(first.data) < first.extent.length:  # a server may give less than it was asked for
                asked[0] = self._ask(
                    Extent(first.extent.offset + len(first.data), first.extent.length - len(first.data))
                )
            else:
                asked.popleft()
            ahead_bytes -= len(first.data)
            if not first.data:
                yield f"it ended at {first.extent.offset}"
                return
            yield Span(first.extent.offset, first.data)

    def digests(self, extent: Extent) -> Sequence[bytes]:
        """SHA-256 of each block of HASH_BLOCK bytes, read over the line; fewer where the file ends before."""
        digests: list[bytes] = []
        digest, filled = hashlib.sha256(), 0
        for span in self.read(_blocks(extent)):
            if isinstance(span, str):
                break
            digest.update(span.data)
            filled += len(span.data)
            if filled == HASH_BLOCK:
                digests.append(digest.digest())
                digest, filled = hashlib.sha256(), 0
        return [*digests, digest.digest()] if filled else digests

    def close(self) -> None:
        """Give the handle back; may be called twice."""
        if not self._is_closed and not self.session.is_over:
            self._is_closed = True
            self.session.send(wire.CLOSE, self.handle, self._closed)

    def _ask(self, request: Extent) -> _Answer:
        answer = _Answer(request)
        payload = self.handle + wire.reach(request.offset, request.length)
        self.session.send(wire.READ, payload, answer.take)
        return answer

    def _closed(self, _kind: int, _body: memoryview) -> None:
        self.session.handles.open -= 1


class SftpRanges:
    """A RangeReader; SftpFailure on construction where the file cannot be opened or looked at."""

    def __init__(self, session: SftpSession, name: bytes, entry: Entry) -> None:
        self._session = session
        self._name = name
        self._entry = entry
        self._file = Handle(session, name, wire.OPEN_READ)
        try:
            self._first = calls.fstat(session, self._file.handle)
        except SftpFailure:
            self._file.close()
            raise
        found = self._first.entry(entry.path)
        if found is None or found.kind is not Kind.FILE:
            self._file.close()
            raise SftpFailure(wire.FAILURE, "it is no longer a file")
        self.found = found

    def extents(self) -> Sequence[Extent]:
        """All of it: SFTP does not tell of holes."""
        return [Extent(0, self.found.size)] if self.found.size else []

    def read(self, chunks: Iterable[Sequence[Extent]]) -> Iterator[Span | Checked]:
        """The content of each chunk, and a look after each; see RangeReader.read."""
        ends: deque[int] = deque()

        def flattened() -> Iterator[Extent]:
            for chunk in chunks:
                ends.append(chunk[-1].end)
                yield from chunk

        for span in self._file.read(flattened()):
            if isinstance(span, str):
                yield self._faulty(span)
                return
            yield span
            if span.offset + len(span.data) == ends[0]:
                ends.popleft()
                checked = self.check()
                yield checked
                if checked.problem is not None:
                    return

    def ask_digests(self, extent: Extent) -> Callable[[], Sequence[bytes]]:
        """The digests of its blocks, computed here of what is read."""
        return partial(self._file.digests, extent)

    def check(self) -> Checked:
        """Whether it still has the size and the time it had when it was opened."""
        try:
            now = calls.lstat(self._session, self._name)
        except SftpFailure as failure:
            return Checked(None, Problem.FAILED, str(failure))
        if now is None:
            return Checked(None, Problem.CHANGED, "gone while it was read")
        found = now.entry(self._entry.path)
        if found is None or found.kind is not Kind.FILE or _facts(now) != _facts(self._first):
            return Checked(None, Problem.CHANGED, "written to while it was read")
        return Checked(found)

    def close(self) -> None:
        """Let go; may be called twice."""
        self._file.close()

    def _faulty(self, words: str) -> Checked:
        checked = self.check()
        return checked if checked.problem is not None else Checked(None, Problem.FAILED, words)


class _Answer:
    """What came of one READ."""

    __slots__ = ("data", "extent", "fault", "is_there")

    def __init__(self, extent: Extent) -> None:
        self.extent = extent
        self.data = b""
        self.fault = ""
        self.is_there = False

    def take(self, kind: int, body: memoryview) -> None:
        self.is_there = True
        if kind == wire.DATA:
            self.data = wire.take_data(body, self.extent.length)
        elif kind != wire.STATUS:
            raise wire.Malformed(f"an answer of kind {kind} to a READ")
        elif wire.code_of(body) != wire.EOF:
            self.fault = str(wire.take_status(body))


def _facts(found: Attributes) -> tuple[object, ...]:
    return found.size, found.mtime, found.kind


def _requests(extents: Iterable[Extent], most_bytes: int) -> Iterator[Extent]:
    for extent in extents:
        for start in range(extent.offset, extent.end, most_bytes):
            yield Extent(start, min(most_bytes, extent.end - start))


def _blocks(extent: Extent) -> Iterator[Extent]:
    """The extent cut so that no request reaches over the end of a block."""
    return _requests([extent], HASH_BLOCK)
