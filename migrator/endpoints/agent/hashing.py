"""Files hashed at an agent's side: only their digests come back."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable, Iterator

from migrator.domain.entries import Entry, Kind
from migrator.endpoints.agent import program as agent
from migrator.endpoints.agent.conversation import Answer, Conversation
from migrator.endpoints.agent.reading import PROBLEMS
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
        if verdict == agent.PROGRESS:
            (count,) = struct.unpack_from(">Q", body, at + 1)
            return Digest(self._told[0], count), at + 9
        entry = self._told.popleft()
        if verdict in PROBLEMS:
            reason, at = take_text(body, at + 1)
            return Digest(entry, 0, problem=PROBLEMS[verdict], reason=shown(reason)), at
        if verdict != agent.HASHED:
            raise Malformed(f"a verdict of kind {verdict}")
        found = take_entry(body, at + 1, entry.path)
        xattrs, at = take_attributes(body, at + 1 + agent.FACTS.size)
        sha256 = body[at : at + _DIGEST_BYTES]
        joined, at = take_text(body, at + _DIGEST_BYTES, agent.LARGEST_FRAME)
        if found.kind is not Kind.FILE or len(sha256) != _DIGEST_BYTES or len(joined) % _DIGEST_BYTES:
            raise Malformed("a digest that cannot be one")
        blocks = tuple(joined[start : start + _DIGEST_BYTES] for start in range(0, len(joined), _DIGEST_BYTES))
        return Digest(entry, found.size, found._replace(xattrs=xattrs), sha256, blocks), at
