"""Files as an agent sends them: many small ones in one flow, large ones in pieces."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable, Iterator

from migrator.domain.entries import Entry, Kind, display
from migrator.endpoints.agent import program as agent
from migrator.endpoints.agent.conversation import Answer, Conversation
from migrator.endpoints.agent.records import Malformed, shown, take_attributes, take_entry, take_text
from migrator.endpoints.contract import Piece, Problem
from migrator.endpoints.faults import check_path

_AHEAD_FILES = 512
_AHEAD_BYTES = 4 << 20
_AHEAD_ANSWERS = 4
MOST_BARREN = 1000  # answers in a row; an agent that has nothing left to tell gives a few that were asked for ahead
PROBLEMS = {agent.CHANGED: Problem.CHANGED, agent.VANISHED: Problem.VANISHED, agent.BROKEN: Problem.FAILED}


class Reading:
    """One call of `read`; the agent is told early what comes next, and asked for a bounded number of answers."""

    def __init__(self, session: Conversation, root: bytes, wanted: Iterable[Entry], *, drops_cache: bool) -> None:
        self._session = session
        self._wanted = iter(wanted)
        self._is_all_told = False
        self._told: deque[Entry] = deque()  # told to the agent, not yet read to its end
        self._told_bytes = 0
        self._paid: deque[int] = deque()  # bytes of content, for each answer that was asked for and not handed out
        self._arrived: deque[bytes] = deque()
        self._failed: list[OSError] = []
        self._delivered = 0  # bytes of the file that is being read
        self._barren = 0  # answers in a row that brought nothing
        self._handle = session.new_handle()
        self._send(agent.READ, agent.packed(root), bytes([drops_cache]))

    def pieces(self) -> Iterator[Piece]:
        """The pieces of the wanted files, in order; OSError when the root cannot be opened."""
        try:
            while True:
                self._tell()
                if not self._told:
                    return
                while len(self._paid) < _AHEAD_ANSWERS:
                    self._ask()
                while not self._arrived:
                    self._session.pump()
                    if self._failed:
                        raise self._failed[0]
                yield from self._pieces_of(self._arrived.popleft())
        finally:
            self._session.let_go(self._handle)

    def _send(self, verb: int, *parts: bytes, then: Answer = lambda _: None) -> None:
        self._session.send(verb, self._handle, *parts, then=then, fail=self._failed.append)

    def _tell(self) -> None:
        request: list[bytes] = []
        while not self._is_all_told and len(self._told) < _AHEAD_FILES and self._told_bytes < _AHEAD_BYTES:
            entry = next(self._wanted, None)
            if entry is None:
                self._is_all_told = True
                break
            check_path(entry.path)
            self._told.append(entry)
            self._told_bytes += entry.size
            request += [agent.U32.pack(entry.uid), agent.packed(entry.path)]
        if request:
            self._send(agent.READ_PUT, *request)

    def _ask(self) -> None:
        """Pay for as much as one answer is likely to bring, and ask for it."""
        expected_bytes = 0
        if self._session.allowance.is_limited:
            coming_bytes = self._told_bytes - self._delivered - sum(self._paid)
            expected_bytes = max(0, min(agent.REPLY_BYTES, coming_bytes))
            self._session.allowance.pay(expected_bytes)
        self._paid.append(expected_bytes)
        self._send(agent.READ_NEXT, then=self._arrived.append)

    def _pieces_of(self, body: bytes) -> Iterator[Piece]:
        at = came_bytes = 0
        paid_bytes = self._paid.popleft()
        self._barren = 0 if body else self._barren + 1
        if self._barren > MOST_BARREN:
            raise self._session.broken("answers without content, again and again")
        while at < len(body):
            try:
                piece, at = self._piece(body, at)
            except (Malformed, struct.error) as error:
                raise self._session.broken(str(error)) from None
            came_bytes += len(piece.data)
            yield piece
        if self._session.allowance.is_limited:
            self._session.allowance.pay(came_bytes - paid_bytes)

    def _piece(self, body: bytes, at: int) -> tuple[Piece, int]:
        if not self._told:
            raise Malformed("a file that nobody asked for")
        entry = self._told[0]
        verdict = body[at]
        if verdict == agent.PART:
            data, at = take_text(body, at + 1)
            self._delivered += len(data)
            return Piece(entry, data), at
        self._told.popleft()
        self._told_bytes -= entry.size
        if verdict in PROBLEMS:
            reason, at = take_text(body, at + 1)
            data, at = take_text(body, at)
            self._delivered = 0
            return Piece(entry, data, problem=PROBLEMS[verdict], reason=shown(reason)), at
        if verdict != agent.WHOLE:
            raise Malformed(f"a verdict of kind {verdict}")
        found = take_entry(body, at + 1, entry.path)
        xattrs, at = take_attributes(body, at + 1 + agent.FACTS.size)
        data, at = take_text(body, at)
        delivered, self._delivered = self._delivered + len(data), 0
        if found.kind is not Kind.FILE or found.size != delivered:
            raise Malformed(f"{delivered} bytes of `{display(entry.path)}`, which has {found.size}")
        return Piece(entry, data, found._replace(xattrs=xattrs)), at
