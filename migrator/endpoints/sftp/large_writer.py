"""A large file behind an SFTP server that grows under its temp name, part by part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from migrator.domain.entries import Entry, Kind
from migrator.endpoints.contract import Extent, Landed
from migrator.endpoints.faults import check_path
from migrator.endpoints.sftp import calls, wire
from migrator.endpoints.sftp.outgoing import OutgoingItem
from migrator.endpoints.sftp.ranges import Handle
from migrator.endpoints.sftp.wire import SftpFailure
from migrator.endpoints.sftp.writer import SftpWriter

_UNACKNOWLEDGED_BYTES = 4 << 20
_FLAGS = wire.OPEN_READ | wire.OPEN_WRITE
_NEW = _FLAGS | wire.OPEN_CREATE | wire.OPEN_EXCLUSIVE
_SYNC = wire.string(wire.FSYNC)


class SftpLargeWriter:
    """A LargeWriter; OSError on construction where the temp file cannot be opened or made. Owns `writer`."""

    def __init__(self, writer: SftpWriter, entry: Entry, temp_name: bytes, *, makes: bool) -> None:
        check_path(entry.path)
        self._writer = writer
        self._shared = writer.shared
        self._session = writer.shared.session
        self._item = OutgoingItem(self._shared, entry, temp_name)
        self._old: Handle | None = None
        self._faults: list[str] = []
        self._unanswered = 0
        self.is_new = False
        self._require_folder()
        self._file = self._open(entry, makes=makes)

    def write(self, offset: int, data: bytes) -> None:
        """Put content at its place, acknowledged later."""
        most = self._session.write_bytes
        for start in range(0, len(data), most):
            part = data[start : start + most]
            payload = self._file.handle + wire.long(offset + start) + wire.word(len(part))
            self._unanswered += len(part)
            self._shared.reached("chunk")
            self._session.send(wire.WRITE, payload, partial(self._written, len(part)), part)
            while self._unanswered > _UNACKNOWLEDGED_BYTES:
                self._session.pump()
            self._raise_faults()

    def copy_old(self, extent: Extent) -> None:
        """Content that stands there already goes over the line twice, since SFTP cannot copy."""
        for span in self._former().read([extent]):
            if isinstance(span, str):
                raise OSError(0, f"the old version cannot be read: {span}")
            self.write(span.offset, span.data)

    def ask_old_digests(self, extent: Extent) -> Callable[[], Sequence[bytes]]:
        """The digests of what has the final name now, read over the line; none where nothing does."""

        def read() -> Sequence[bytes]:
            try:
                return self._former().digests(extent)
            except SftpFailure:
                return []

        return read

    def ask_digests(self, extent: Extent) -> Callable[[], Sequence[bytes]]:
        """The digests of what was written, read back over the line."""
        return partial(self._file.digests, extent)

    def sync(self) -> None:
        """Return when the server has acknowledged everything, and synced it where it can."""
        self._shared.reached("before-sync")
        if wire.FSYNC in self._session.extensions:
            self._unanswered += 1
            self._session.send(wire.EXTENDED, _SYNC + self._file.handle, partial(self._written, 1))
        while self._unanswered:
            self._session.pump()
        self._shared.reached("after-sync")
        self._raise_faults()

    def finish(self, entry: Entry) -> Landed:
        """Set what is kept of `entry`, and give the file its final name."""
        item = self._item
        item.entry = entry
        item.problem = self._shared.metadata.obstacle(entry)
        if item.problem is None:
            for attributes in self._shared.metadata.attributes(entry):
                self._unanswered += 1
                payload = self._file.handle + attributes
                self._session.send(wire.FSETSTAT, payload, partial(self._written, 1))
            self.sync()
            self._file.close()
            self._writer.land([item])
        if item.problem is not None:
            self.discard()
        return Landed(entry.path, item.problem)

    def discard(self) -> None:
        """Remove the temp file."""
        self._file.close()
        self._shared.clean_up(self._item.temp)
        self._shared.until(lambda: self._shared.is_idle)

    def close(self) -> None:
        """Let go; the temp file stays. May be called twice."""
        self._file.close()
        if self._old is not None:
            self._old.close()
        self._writer.close()

    def _require_folder(self) -> None:
        verdicts: list[str | None] = []
        self._shared.folders.require(self._item.folder, verdicts.append, make=True)
        self._shared.until(lambda: bool(verdicts))
        if not verdicts or verdicts[0] is not None:
            raise OSError(0, verdicts[0] if verdicts else "its folder cannot be looked at")
        self._shared.folders.open_up(self._item.folder)

    def _open(self, entry: Entry, *, makes: bool) -> Handle:
        """The temp file, with its size; a link that stands there is never followed."""
        try:
            found = calls.lstat(self._session, self._item.temp)
            if found is not None and found.kind is not Kind.FILE:
                raise OSError(0, "something that is not ours has its temp name")
            if found is None and not makes:
                raise OSError(0, "its temp file is gone")
            self.is_new = found is None
            file = Handle(self._session, self._item.temp, _NEW if self.is_new else _FLAGS)
            if found is None or found.size != entry.size:
                calls.set_size(self._session, file.handle, entry.size)
        except SftpFailure as failure:
            self._shared.doubt()
            self._shared.until(lambda: self._shared.is_idle)
            raise OSError(0, f"cannot make its temp file: {failure}") from failure
        return file

    def _former(self) -> Handle:
        if self._old is None:
            self._old = Handle(self._session, self._item.path, wire.OPEN_READ)
        return self._old

    def _written(self, count: int, kind: int, body: memoryview) -> None:
        self._unanswered -= count
        if kind != wire.STATUS:
            raise self._session.unexpected(kind)
        if wire.code_of(body) != wire.OK:
            self._faults.append(str(wire.take_status(body)))

    def _raise_faults(self) -> None:
        if self._shared.fault is not None:
            raise self._shared.fault
        if self._faults:
            self._shared.doubt()
            self._shared.until(lambda: self._shared.is_idle)  # a full disk is raised here as what it is
            raise OSError(0, f"cannot be written: {self._faults[0]}")
