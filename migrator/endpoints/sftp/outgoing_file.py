"""A file on its way to the server.

A small one costs two round trips: OPEN; then WRITE, FSETSTAT, fsync and CLOSE together, which the protocol makes a
server handle in this order.
"""

from __future__ import annotations

from functools import partial

from migrator.domain.entries import Entry
from migrator.endpoints.sftp import wire
from migrator.endpoints.sftp.outgoing import Outgoing, OutgoingItem

_NEW_FILE = wire.word(wire.OPEN_WRITE | wire.OPEN_CREATE | wire.OPEN_EXCLUSIVE) + wire.attributes(mode=0o600)
# A server that syncs a huge file in one go is silent for so long that it passes for dead.
_SYNC_EVERY_BYTES = 128 * 1024 * 1024
_SYNC = wire.string(wire.FSYNC)


class OutgoingFile(OutgoingItem):
    """A file; content may come before the handle does."""

    __slots__ = (
        "_handle",
        "_held",
        "_is_complete",
        "_open_when_refused",
        "_sent_bytes",
        "_synced_bytes",
        "_unanswered",
        "written_bytes",
    )

    def __init__(self, shared: Outgoing, entry: Entry, temp_name: bytes) -> None:
        super().__init__(shared, entry, temp_name)
        self.written_bytes = 0  # taken from the caller
        self._handle = b""  # with its length before it; empty while there is none
        self._held: list[bytes] = []  # content that waits for the handle
        self._sent_bytes = 0
        self._synced_bytes = 0
        self._unanswered = 0  # requests with the handle
        self._is_complete = False
        self._open_when_refused = 0  # other handles that were open when the server refused this one; 0: it never did

    def write(self, data: bytes) -> None:
        """Append a part that one WRITE can carry."""
        self.written_bytes += len(data)
        if self.problem is not None:
            return
        self.shared.unacknowledged_bytes += len(data)
        if self._handle:
            self._write(data)
        else:
            self._held.append(data)

    def finish(self, entry: Entry) -> None:
        """No more content comes; `entry` says how the file shall look."""
        self.entry = entry
        if self.problem is None:
            if self.written_bytes != entry.size:
                self._spoil(f"{self.written_bytes} bytes came of {entry.size}")
            else:
                self.problem = self.shared.metadata.obstacle(entry)
        self._complete()

    def discard(self) -> None:
        """It is not to land: remove what there is of it now or later."""
        super().discard()
        if not self._is_complete:
            self._complete()

    def open(self) -> None:
        """Ask for the handle."""
        if self.is_unwanted:
            self._settle_down()
            return
        self.shared.reached("temp-open")
        session = self.shared.session
        session.handles.open += 1
        session.send(wire.OPEN, wire.string(self.temp) + _NEW_FILE, self._opened)

    def _opened(self, kind: int, body: memoryview) -> None:
        handles = self.shared.session.handles
        if kind == wire.HANDLE:
            self._handle = wire.string(wire.take_handle(body))
            if self._open_when_refused:
                handles.learn(retry_succeeded=True, open_when_refused=self._open_when_refused)
            held, self._held = self._held, []
            for data in held:
                self._write(data)
            if self._is_complete:
                self._close()
            return
        if kind != wire.STATUS:
            raise self.shared.session.unexpected(kind)
        handles.open -= 1
        if self._open_when_refused:
            handles.learn(retry_succeeded=False, open_when_refused=self._open_when_refused)
        elif handles.is_worth_retrying(wire.code_of(body)):
            self._open_when_refused = handles.open
            self.shared.refused.append(self)
            return
        self._check("be made", kind, body)
        self._settle_down()

    def _write(self, data: bytes) -> None:
        self.shared.reached("chunk")
        self._unanswered += 1
        payload = self._handle + wire.long(self._sent_bytes) + wire.word(len(data))
        self._sent_bytes += len(data)
        self.shared.session.send(wire.WRITE, payload, partial(self._written, len(data)), data)
        if self._sent_bytes - self._synced_bytes >= _SYNC_EVERY_BYTES:
            self._sync()

    def _complete(self) -> None:
        self._is_complete = True
        if self._handle:
            self._close()

    def _close(self) -> None:
        """Metadata, sync and close are sent at once; the server handles them in order."""
        send = self.shared.session.send
        if self.problem is None and not self.is_unwanted:
            for attributes in self.shared.metadata.attributes(self.entry):
                self._unanswered += 1
                send(wire.FSETSTAT, self._handle + attributes, self._set)
            self._sync()
        self._unanswered += 1
        send(wire.CLOSE, self._handle, self._closed)

    def _sync(self) -> None:
        self.shared.reached("before-sync")
        self._synced_bytes = self._sent_bytes
        if wire.FSYNC in self.shared.session.extensions:
            self._unanswered += 1
            self.shared.session.send(wire.EXTENDED, _SYNC + self._handle, self._synced)

    def _written(self, size_bytes: int, kind: int, body: memoryview) -> None:
        self.shared.unacknowledged_bytes -= size_bytes
        self._answered("be written", kind, body)

    def _set(self, kind: int, body: memoryview) -> None:
        self._answered("get its owner, mode and times", kind, body)

    def _synced(self, kind: int, body: memoryview) -> None:
        self._answered("be made durable", kind, body)
        self.shared.reached("after-sync")

    def _closed(self, kind: int, body: memoryview) -> None:
        self.shared.session.handles.open -= 1
        self._answered("be closed", kind, body)

    def _answered(self, what: str, kind: int, body: memoryview) -> None:
        self._check(what, kind, body)
        self._unanswered -= 1
        if self._is_complete and self._unanswered == 0:
            self._end()

    def _spoil(self, reason: str) -> None:
        super()._spoil(reason)
        self.shared.unacknowledged_bytes -= sum(map(len, self._held))
        self._held.clear()
