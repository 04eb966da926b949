"""Files hashed at an agent's side: only their digests come back."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable, Iterator

from migrator.domain.entries import Entry, Kind
from migrator.endpoints.agent import program as agent
from migrator.endpoints.agent.conversation import Answer, Conversation
from migrator.endpoints.agent.reading import MOST_BARREN, PROBLEMS
from migrator.endpoints.agent.records import Malformed, shown, take_attributes, take_entry, take_text
from migrator.endpoints.contract import Digest
from migrator.endpoints.faults import check_path

_AHEAD_FILES = 512
_AHEAD_ANSWERS = 2
_DIGEST_BYTES = 32


class Hashing:
    """One call of `digests`; the agent is told early what comes next, and asked for a bounded number of answers."""

    def __init__(
        self, session: Conversation, root: bytes, wanted: Iterable[Entry], *, drops_cache: bool, blocks: bool
    ) -> None:
        self._session = session
        self._wanted = iter(wanted)
        self._is_all_told = False
        self._told: deque[Entry] = deque()  # told to the agent, not yet answered for
        self._asked = 0
        self._barren = 0  # answers in a row that brought nothing
        self._arrived: deque[bytes] = deque()
        self._failed: list[OSError] = []
        self._handle = session.new_handle()
        self._send(agent.DIGEST, agent.packed(root), bytes([drops_cache, blocks]))

    def digests(self) -> Iterator[Digest]:
        """A Digest for each wanted file, in order, and word of progress; OSError when the root cannot be opened."""
        try:
            while True:
                self._tell()
                if not self._told:
                    return
                while self._asked + len(self._arrived) < _AHEAD_ANSWERS:
                    self._asked += 1
                    self._send(agent.DIGEST_NEXT, then=self._take)
                while not self._arrived:
                    self._session.pump()
                    if self._failed:
                        raise self._failed[0]
                yield from self._digests_of(self._arrived.popleft())
        finally:
            self._session.let_go(self._handle)

    def _send(self, verb: int, *parts: bytes, then: Answer = lambda _: None) -> None:
        self._session.send(verb, self._handle, *parts, then=then, fail=self._failed.append)

    def _tell(self) -> None:
        request: list[bytes] = []
        while not self._is_all_told and len(self._told) < _AHEAD_FILES:
            entry = next(self._wanted, None)
            if entry is None:
                self._is_all_told = True
                break
            check_path(entry.path)
            self._told.append(entry)
            request += [agent.U32.pack(entry.uid), agent.packed(entry.path)]
        if request:
            self._send(agent.DIGEST_PUT, *request)

    def _take(self, body: bytes) -> None:
        self._asked -= 1
        self._arrived.append(body)

    def _digests_of(self, body: bytes) -> Iterator[Digest]:
        at = 0
        self._barren = 0 if body else self._barren + 1
        if self._barren > MOST_BARREN:
            raise self._session.broken("answers without digests, again and again")
        while at < len(body):
            try:
                digest, at = self._digest(body, at)
            except (Malformed, struct.error) as error:
                raise self._session.broken(str(error)) from None
            yield digest

    def _digest(self, body: bytes, at: int) -> tuple[Digest, int]:
        if not self._told:
            raise Malformed("a digest that nobody asked for")
        verdict = body[at]
        at += 1
        if verdict == agent.PROGRESS:
            read_bytes, blocks, at = _news(body, at)
            return Digest(self._told[0], read_bytes, blocks=blocks), at
        entry = self._told.popleft()
        if verdict in PROBLEMS:
            reason, at = take_text(body, at)
            return Digest(entry, 0, problem=PROBLEMS[verdict], reason=shown(reason)), at
        if verdict != agent.HASHED:
            raise Malformed(f"a verdict of kind {verdict}")
        found = take_entry(body, at, entry.path)
        xattrs, at = take_attributes(body, at + agent.FACTS.size)
        sha256 = body[at : at + _DIGEST_BYTES]
        read_bytes, blocks, at = _news(body, at + _DIGEST_BYTES)
        if found.kind is not Kind.FILE:
            raise Malformed("the digest of what is no file")
        return Digest(entry, read_bytes, found._replace(xattrs=xattrs), sha256, blocks), at


def _news(body: bytes, at: int) -> tuple[int, tuple[bytes, ...], int]:
    """How many more bytes were read, the digests of their blocks, and where the next thing begins."""
    (read_bytes,) = struct.unpack_from(">Q", body, at)
    joined, at = take_text(body, at + 8)
    if len(joined) % _DIGEST_BYTES:
        raise Malformed("a digest that is cut short")
    blocks = tuple(joined[start : start + _DIGEST_BYTES] for start in range(0, len(joined), _DIGEST_BYTES))
    return read_bytes, blocks, at
