"""The only way anything is written through an agent: nothing waits for an answer before `commit`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from migrator.domain.entries import Entry
from migrator.endpoints.agent import program as agent
from migrator.endpoints.agent.conversation import Conversation
from migrator.endpoints.agent.records import Malformed, attributes_of, facts_of, take_reasons
from migrator.endpoints.contract import Landed
from migrator.endpoints.faults import check_path, disk_fault
from migrator.endpoints.temp_names import new_temp_name

_SMALL_BYTES = 256 * 1024  # up to this size a file is one request
_ENTRIES_IN_A_REQUEST = 1000
_REQUEST_BYTES = 1 << 20
_AHEAD_REQUESTS = 20_000


class AgentWriter:
    """A Writer beneath one root at the far end; the agent keeps the rules, see the contract for what they are."""

    def __init__(self, session: Conversation, root: bytes, temp_key: bytes, keep: frozenset[str]) -> None:
        """OSError when the root cannot be opened there."""
        self._session = session
        self._root = root
        self._temp_key = temp_key
        self._handle = session.new_handle()
        self._paths: list[bytes] = []
        self._path: bytes | None = None  # of the open file
        self._temp_name = b""
        self._held: list[bytes] = []  # content of the open file that was not sent yet
        self._held_bytes = 0
        self._is_begun = False  # whether the agent knows of the open file
        self._is_closed = False
        self._failed: list[OSError] = []
        self._keep = keep
        flags = bytes(word in keep for word in ("owner", "mode", "times", "setid", "xattrs", "acls"))
        session.call(agent.WRITER, self._handle, flags, agent.packed(root))

    def begin(self, entry: Entry) -> None:
        """Take `entry.path` as the open file; a problem waits for the item's Landed."""
        check_path(entry.path)
        self.abandon()
        self._path = entry.path
        self._temp_name = new_temp_name(self._temp_key)

    def write(self, data: bytes) -> None:
        """Append to the open file."""
        if self._path is None:
            return
        self._session.allowance.pay(len(data))
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > _SMALL_BYTES:
            self._send_held(self._path)

    def finish(self, entry: Entry) -> None:
        """Send what is known of `entry` with what is left of the file; the rename waits for `commit`."""
        path = self._path
        if path is None:
            raise RuntimeError("finish without begin")
        facts, attributes = facts_of(entry), attributes_of(entry, self._keep)
        if self._is_begun:
            self._send_held(path)
            self._send(agent.FINISH, facts, attributes)
        else:
            self._send(agent.PUT, facts, *map(agent.packed, (path, self._temp_name)), attributes, *self._held)
        self._paths.append(path)
        self._forget_open()

    def abandon(self) -> None:
        """Remove the open temp file, if there is one."""
        if self._is_begun:
            self._send(agent.ABANDON)
        self._forget_open()

    def link(self, entry: Entry) -> None:
        """Have the symbolic link `entry.link` made under a temp name; the rename waits for `commit`."""
        check_path(entry.path)
        self._paths.append(entry.path)
        names = (entry.path, new_temp_name(self._temp_key), entry.link or b"")
        self._send(agent.LINK, *map(agent.packed, names), facts_of(entry), attributes_of(entry, self._keep))

    def hard_link(self, entry: Entry, to: bytes) -> None:
        """Have `entry.path` made another name of the file at `to`; the rename waits for `commit`."""
        check_path(entry.path)
        check_path(to)
        self._paths.append(entry.path)
        names = (entry.path, new_temp_name(self._temp_key), to)
        self._send(agent.HARD_LINK, *map(agent.packed, names), facts_of(entry))

    def commit(self) -> list[Landed]:
        """Have it all synced, renamed and synced again; waits for the agent's word on each item."""
        self.abandon()
        paths, self._paths = self._paths, []
        if not paths:
            return []
        return self._outcomes(paths, self._call(agent.COMMIT))

    def settle(self, directories: Sequence[Entry]) -> list[Landed]:
        """Make the folders where missing and make them as they are to be, in the order given; durable."""
        for entry in directories:
            if entry.path:
                check_path(entry.path)
        return self._for_each(agent.SETTLE, directories)

    def remove(self, entries: Sequence[Entry]) -> list[Landed]:
        """Remove files, links and empty folders, in the order given; what is of another kind stays, a problem."""
        for entry in entries:
            check_path(entry.path)
        return self._for_each(agent.REMOVE, entries)

    def unlink_temps(self, temps: Sequence[Entry]) -> list[Landed]:
        """Remove temp files of an earlier run."""
        return self._for_each(agent.UNLINK, temps)

    def close(self) -> None:
        """Have temp files that were not committed removed, and let go; may be called twice."""
        if self._is_closed:
            return
        self._is_closed = True
        if not self._session.is_over:
            with self._faults_told():
                self._session.call(agent.CLOSE, self._handle)

    def _send_held(self, path: bytes) -> None:
        if not self._is_begun:
            self._is_begun = True
            self._send(agent.BEGIN, agent.packed(path), agent.packed(self._temp_name))
        data = b"".join(self._held)
        for start in range(0, len(data), _REQUEST_BYTES):
            self._send(agent.WRITE, data[start : start + _REQUEST_BYTES])
        self._held, self._held_bytes = [], 0

    def _forget_open(self) -> None:
        self._path, self._is_begun = None, False
        self._held, self._held_bytes = [], 0

    def _for_each(self, verb: int, entries: Sequence[Entry]) -> list[Landed]:
        landed: list[Landed] = []
        for part in _parts([(entry.path, self._record_of(entry)) for entry in entries]):
            request = b"".join(record for _, record in part)
            landed += self._outcomes([path for path, _ in part], self._call(verb, request))
        return landed

    def _record_of(self, entry: Entry) -> bytes:
        return facts_of(entry) + agent.packed(entry.path) + attributes_of(entry, self._keep)

    def _outcomes(self, paths: Sequence[bytes], body: bytes) -> list[Landed]:
        try:
            reasons = take_reasons(body, len(paths))
        except Malformed as error:
            raise self._session.broken(str(error)) from None
        return [Landed(path, reason) for path, reason in zip(paths, reasons, strict=True)]

    def _send(self, verb: int, *parts: bytes) -> None:
        with self._faults_told():
            self._session.send(verb, self._handle, *parts, then=lambda _: None, fail=self._failed.append)
            while self._session.in_flight > _AHEAD_REQUESTS:
                self._session.pump()
            if self._failed:
                raise self._failed[0]

    def _call(self, verb: int, *parts: bytes) -> bytes:
        with self._faults_told():
            answer = self._session.call(verb, self._handle, *parts)
            if self._failed:
                raise self._failed[0]
            return answer

    @contextmanager
    def _faults_told(self) -> Iterator[None]:
        """Turn what makes the writer useless into the error to raise; the session ends, and the agent cleans up."""
        try:
            yield
        except OSError as error:
            self._is_closed = True
            self._session.close()
            raise disk_fault(self._root, error) from error


def _parts(records: Sequence[tuple[bytes, bytes]]) -> Iterator[Sequence[tuple[bytes, bytes]]]:
    """Paths and their records, cut so that each part fits into one request."""
    part: list[tuple[bytes, bytes]] = []
    size = 0
    for path, record in records:
        part.append((path, record))
        size += len(record)
        if len(part) >= _ENTRIES_IN_A_REQUEST or size >= _REQUEST_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part
