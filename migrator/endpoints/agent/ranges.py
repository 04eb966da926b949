"""A file at an agent's side that is read in parts, and a large file that grows there part by part."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from migrator.domain.entries import Entry, display
from migrator.endpoints.agent import program as agent
from migrator.endpoints.agent.conversation import Conversation, DiskFault
from migrator.endpoints.agent.reading import PROBLEMS
from migrator.endpoints.agent.records import (
    Malformed,
    attributes_of,
    facts_of,
    shown,
    take_attributes,
    take_entry,
    take_text,
)
from migrator.endpoints.contract import HASH_BLOCK, Checked, Extent, Landed, Problem, Span
from migrator.endpoints.faults import check_path, disk_fault, sentence

_REQUEST_BYTES = 1 << 20
_AHEAD_BYTES = 6 << 20
_DIGEST_BYTES = 32
_PLACE = struct.Struct(">QI")


class AgentRanges:
    """A RangeReader; OSError on construction where the file cannot be opened."""

    def __init__(self, session: Conversation, root: bytes, entry: Entry, *, drops_cache: bool) -> None:
        check_path(entry.path)
        self._session = session
        self._entry = entry
        self._handle = session.new_handle()
        self._is_closed = False
        place = (agent.packed(root), agent.packed(entry.path), agent.U32.pack(entry.uid), bytes([drops_cache]))
        body = session.call(agent.PART_OPEN, self._handle, *place)
        try:
            self.found = take_entry(body, 0, entry.path)
        except (Malformed, struct.error) as error:
            raise session.broken(str(error)) from None

    def extents(self) -> Sequence[Extent]:
        """Where it has data."""
        body = self._session.call(agent.PART_EXTENTS, self._handle)
        if len(body) % agent.EXTENT.size:
            raise self._session.broken("extents that are cut short")
        extents = [Extent(*each) for each in agent.EXTENT.iter_unpack(body)]
        at = 0
        for each in extents:
            if each.offset < at or each.end > self.found.size:
                raise self._session.broken(f"extents of `{display(self._entry.path)}` that cannot be")
            at = each.end
        return extents

    def read(self, chunks: Iterable[Sequence[Extent]]) -> Iterator[Span | Checked]:
        """The content of each chunk, and a look after each; see RangeReader.read."""
        asked: deque[Extent | None] = deque()  # None: a look
        arrived: deque[bytes | OSError] = deque()
        coming = _requests(chunks)
        ahead_bytes = 0
        while True:
            while ahead_bytes < _AHEAD_BYTES and (request := next(coming, _END)) is not _END:
                assert not isinstance(request, str)
                asked.append(request)
                ahead_bytes += request.length if request is not None else 0
                self._ask(request, arrived)
            if not asked:
                return
            self._session.flush()
            while not arrived:
                self._session.pump()
            request, answer = asked.popleft(), arrived.popleft()
            if request is None:
                checked = self._checked(answer)
                yield checked
                if checked.problem is not None:
                    return
                continue
            ahead_bytes -= request.length
            fault = self._fault(request, answer)
            if fault is not None:
                yield fault
                return
            assert isinstance(answer, bytes)
            yield Span(request.offset, answer)

    def ask_digests(self, extent: Extent) -> Callable[[], Sequence[bytes]]:
        """Have each block of the extent hashed there."""
        return ask_digests(self._session, agent.PART_HASH, self._handle, extent)

    def check(self) -> Checked:
        """Whether it still is the file that was opened."""
        try:
            return self._checked(self._session.call(agent.PART_CHECK, self._handle))
        except OSError as error:
            return self._checked(error)

    def close(self) -> None:
        """Let go; may be called twice."""
        if not self._is_closed:
            self._is_closed = True
            self._session.let_go(self._handle)

    def _ask(self, request: Extent | None, arrived: deque[bytes | OSError]) -> None:
        take, fail = arrived.append, arrived.append
        if request is None:
            self._session.send(agent.PART_CHECK, self._handle, then=take, fail=fail)
        else:
            self._session.allowance.pay(request.length)
            self._session.send(agent.PART_READ, self._handle, _PLACE.pack(*request), then=take, fail=fail)

    @staticmethod
    def _fault(request: Extent, answer: bytes | OSError) -> Checked | None:
        if isinstance(answer, OSError):
            return Checked(None, Problem.FAILED, sentence(answer))
        if len(answer) != request.length:
            return Checked(None, Problem.CHANGED, f"it ended at {request.offset + len(answer)} while it was read")
        return None

    def _checked(self, answer: bytes | OSError) -> Checked:
        if isinstance(answer, OSError):
            return Checked(None, Problem.FAILED, sentence(answer))
        try:
            if answer[0] == agent.WHOLE:
                found = take_entry(answer, 1, self._entry.path)
                xattrs, _ = take_attributes(answer, 1 + agent.FACTS.size)
                return Checked(found._replace(xattrs=xattrs))
            reason, _ = take_text(answer, 1)
            return Checked(None, PROBLEMS[answer[0]], shown(reason))
        except (Malformed, struct.error, KeyError, IndexError) as error:
            raise self._session.broken(str(error)) from None


class AgentLargeWriter:
    """A LargeWriter; OSError on construction where the temp file cannot be opened or made."""

    def __init__(  # noqa: PLR0913 - what a large file is made from
        self,
        session: Conversation,
        root: bytes,
        entry: Entry,
        temp_name: bytes,
        keep: frozenset[str],
        *,
        makes: bool,
        is_sparse: bool,
    ) -> None:
        check_path(entry.path)
        self._session = session
        self._root = root
        self._path = entry.path
        self._handle = session.new_handle()
        self._is_closed = False
        self._failed: list[OSError] = []
        self._keep = keep
        flags = bytes(word in keep for word in ("owner", "mode", "times", "setid", "xattrs", "acls"))
        shape = flags + bytes([makes, is_sparse]) + struct.pack(">Q", entry.size)
        names = (agent.packed(root), agent.packed(entry.path), agent.packed(temp_name))
        self.is_new = self._call(agent.LARGE, shape, *names) == b"\1"

    def write(self, offset: int, data: bytes) -> None:
        """Put content at its place."""
        with memoryview(data) as view:
            for start in range(0, len(data), _REQUEST_BYTES):
                part = bytes(view[start : start + _REQUEST_BYTES])
                self._session.allowance.pay(len(part))
                self._send(agent.LARGE_WRITE, struct.pack(">Q", offset + start), part)

    def copy_old(self, extent: Extent) -> None:
        """Take content over from the file that has the final name now."""
        self._send(agent.LARGE_COPY, _PLACE.pack(*extent))

    def ask_old_digests(self, extent: Extent) -> Callable[[], Sequence[bytes]]:
        """Have the blocks of the file that has the final name now hashed."""
        return ask_digests(self._session, agent.LARGE_HASH_OLD, self._handle, extent)

    def ask_digests(self, extent: Extent) -> Callable[[], Sequence[bytes]]:
        """Have each block of what was written hashed."""
        return ask_digests(self._session, agent.LARGE_HASH, self._handle, extent)

    def sync(self) -> None:
        """Return when all that was written is durable."""
        self._call(agent.LARGE_SYNC)

    def finish(self, entry: Entry) -> Landed:
        """Set what is kept of `entry`, and give the file its final name, durably."""
        reason = self._call(agent.LARGE_FINISH, facts_of(entry), attributes_of(entry, self._keep))
        return Landed(self._path, shown(reason) if reason else None)

    def discard(self) -> None:
        """Remove the temp file."""
        self._call(agent.LARGE_DISCARD)

    def close(self) -> None:
        """Let go; the temp file stays. May be called twice."""
        if not self._is_closed:
            self._is_closed = True
            self._session.let_go(self._handle)

    def _send(self, verb: int, *parts: bytes) -> None:
        with self._faults_told():
            self._session.send(verb, self._handle, *parts, then=lambda _: None, fail=self._failed.append)
            self._raise_what_failed()

    def _call(self, verb: int, *parts: bytes) -> bytes:
        with self._faults_told():
            answer = self._session.call(verb, self._handle, *parts)
            self._raise_what_failed()
            return answer

    def _raise_what_failed(self) -> None:
        if self._failed:
            raise self._failed[0]

    @contextmanager
    def _faults_told(self) -> Iterator[None]:
        try:
            yield
        except DiskFault as error:
            self._is_closed = True
            self._session.close()
            raise disk_fault(self._root, error) from error


_END = "end"


def _requests(chunks: Iterable[Sequence[Extent]]) -> Iterator[Extent | None]:
    """What to ask for, in order: parts of the extents, and None for the look after each chunk."""
    for chunk in chunks:
        for extent in chunk:
            for start in range(extent.offset, extent.end, _REQUEST_BYTES):
                yield Extent(start, min(_REQUEST_BYTES, extent.end - start))
        yield None


def ask_digests(session: Conversation, verb: int, handle: int, extent: Extent) -> Callable[[], Sequence[bytes]]:
    """Ask for the digests of an extent's blocks now; what waits for them, and raises OSError when it must."""
    taken: list[bytes] = []
    failed: list[OSError] = []
    session.send(verb, handle, _PLACE.pack(*extent), then=taken.append, fail=failed.append)
    session.flush()
    return partial(_digests, session, taken, failed, -(-extent.length // HASH_BLOCK))


def _digests(session: Conversation, taken: list[bytes], failed: list[OSError], most: int) -> Sequence[bytes]:
    while not taken:
        if failed:
            raise failed[0]
        session.pump()
    body = taken[0]
    if len(body) % _DIGEST_BYTES or len(body) // _DIGEST_BYTES > most:
        raise session.broken(f"{len(body)} bytes of digests")
    return [body[at : at + _DIGEST_BYTES] for at in range(0, len(body), _DIGEST_BYTES)]
