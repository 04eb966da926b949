"""The only way anything is written below a target root over SFTP: confined, under temp names, renamed in groups."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from migrator.domain.entries import Entry, Kind, display
from migrator.endpoints.contract import Landed
from migrator.endpoints.faults import check_path
from migrator.endpoints.sftp import calls, wire
from migrator.endpoints.sftp.outgoing import FOLDER_IN_THE_WAY, Outgoing, OutgoingItem, OutgoingLink
from migrator.endpoints.sftp.outgoing_file import OutgoingFile
from migrator.endpoints.sftp.session import SftpSession
from migrator.endpoints.sftp.settling import remove, settle
from migrator.endpoints.sftp.wire import SftpFailure
from migrator.endpoints.temp_names import new_temp_name
from migrator.errors import EndpointUnavailable, Refused

_UNACKNOWLEDGED_BYTES = 4 * 1024 * 1024
_MOST_IN_FLIGHT = 512


class SftpWriter:
    """A Writer beneath one absolute path; see the contract for what its methods promise."""

    def __init__(self, session: SftpSession, base: bytes, temp_key: bytes, keep: frozenset[str]) -> None:
        self._session = session
        self._temp_key = temp_key
        self.shared = Outgoing(session, base, keep)
        self._current: OutgoingFile | None = None
        self._group: list[OutgoingItem] = []

    def begin(self, entry: Entry) -> None:
        """Open a temp file for `entry.path`, mode 0600; a problem waits for the item's Landed."""
        check_path(entry.path)
        self.abandon()
        self.shared.until(lambda: self._session.handles.has_room and not self.shared.refused)
        self._current = OutgoingFile(self.shared, entry, new_temp_name(self._temp_key))
        self._current.start()

    def write(self, data: bytes) -> None:
        """Append to the open file."""
        current = self._current
        if current is None:
            raise RuntimeError("write without begin")
        most = self._session.write_bytes
        for start in range(0, len(data), most):
            current.write(data[start : start + most])
            self.shared.until(lambda: self.shared.unacknowledged_bytes < _UNACKNOWLEDGED_BYTES)

    def finish(self, entry: Entry) -> None:
        """Set owner, mode and times of `entry` as far as they are kept, and close; the rename waits for `commit`."""
        current, self._current = self._current, None
        if current is None:
            raise RuntimeError("finish without begin")
        self._group.append(current)
        current.finish(entry)

    def abandon(self) -> None:
        """Remove the open temp file, if there is one."""
        current, self._current = self._current, None
        if current is not None:
            current.discard()

    def link(self, entry: Entry) -> None:
        """Make the symbolic link `entry.link` under a temp name; the rename waits for `commit`."""
        check_path(entry.path)
        self.shared.until(lambda: self._session.in_flight < _MOST_IN_FLIGHT)
        self._learn_link_order()
        link = OutgoingLink(self.shared, entry, new_temp_name(self._temp_key))
        self._group.append(link)
        link.start()

    def hard_link(self, entry: Entry, to: bytes) -> None:
        """Refused: of a source's hard links SFTP sees nothing, so that `hardlinks` is not among what is kept."""
        raise Refused(
            f"`{display(entry.path)}` cannot be made a hard link to `{display(to)}`: the sftp lane makes none",
            hint="take `hardlinks` out of `keep`",
        )

    def commit(self) -> list[Landed]:
        """Wait until the data is durable where the server can say so, rename all of it, and say how each went."""
        self.abandon()
        shared, group = self.shared, self._group
        shared.until(lambda: shared.is_idle)
        self.land([item for item in group if item.problem is None])
        self._group = []
        shared.folders.forget()
        return [Landed(item.entry.path, item.problem) for item in group]

    def land(self, landing: Sequence[OutgoingItem]) -> None:
        """Give items that are complete under their temp names their final ones; what cannot be is an item's problem."""
        shared = self.shared
        if wire.POSIX_RENAME in self._session.extensions:
            for item in landing:
                shared.until(lambda: self._session.in_flight < _MOST_IN_FLIGHT)
                item.replace()
            shared.until(lambda: shared.is_idle)
        else:
            for item in landing:
                self._replace_aside(item)

    def settle(self, directories: Sequence[Entry]) -> list[Landed]:
        """Make the folders where missing and give them their owner, mode and times, in the order given."""
        return settle(self.shared, directories)

    def remove(self, entries: Sequence[Entry]) -> list[Landed]:
        """Remove files, links and empty folders, in the order given; what is of another kind stays, a problem."""
        return remove(self.shared, entries)

    def close(self) -> None:
        """Remove temp files that were not committed, and let go; may be called twice."""
        if self._session.is_over:
            return  # the next run sweeps what is left
        shared, group = self.shared, self._group
        self._group = []
        self.abandon()
        for item in group:
            if item.problem is None:
                item.discard()
        shared.fault, shared.is_closing = None, True
        with suppress(EndpointUnavailable):  # as above
            shared.until(lambda: shared.is_idle)

    def _learn_link_order(self) -> None:
        names = [self.shared.folders.absolute(new_temp_name(self._temp_key)) for _ in range(2)]
        with suppress(SftpFailure):  # no link can be made at all: that is told of each
            calls.learn_link_order(self._session, *names)

    def _replace_aside(self, item: OutgoingItem) -> None:
        """Where no rename replaces: what stands there steps aside, and comes back when the new one cannot come."""
        session = self._session
        try:
            if self._renames(item.temp, item.path):
                return
            found = calls.lstat(session, item.path)
            if found is not None and found.kind is Kind.DIRECTORY:
                item.fail(FOLDER_IN_THE_WAY)
                return
            aside = item.beside(new_temp_name(self._temp_key))
            calls.rename(session, item.path, aside)
            if self._renames(item.temp, item.path):
                calls.remove(session, aside)
                return
            calls.rename(session, aside, item.path)
            item.fail("cannot get its name: the server refuses")
        except SftpFailure as failure:
            item.fail(f"cannot get its name: {failure}")

    def _renames(self, old: bytes, new: bytes) -> bool:
        try:
            calls.rename(self._session, old, new)
        except SftpFailure:
            return False
        return True
