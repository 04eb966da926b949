"""A tree behind an SFTP server, to be written, and read again to prove it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager

from migrator.domain.entries import Entry, Kind, Unreadable, display
from migrator.endpoints.contract import Abilities, Space
from migrator.endpoints.sftp import calls
from migrator.endpoints.sftp.access import Access
from migrator.endpoints.sftp.folders import PRIVATE_FOLDER
from migrator.endpoints.sftp.large_writer import SftpLargeWriter
from migrator.endpoints.sftp.lease import inner_lease_name, leased
from migrator.endpoints.sftp.source import SftpSource
from migrator.endpoints.sftp.wire import SftpFailure
from migrator.endpoints.sftp.writer import SftpWriter
from migrator.endpoints.temp_names import is_temp_name
from migrator.errors import EndpointUnavailable, MigratorError, Refused


class SftpTarget(SftpSource):
    """The tree below `root` in the target role; its lease is best effort, see sftp_lease."""

    def __init__(self, access: Access, root: bytes, temp_key: bytes) -> None:
        super().__init__(access, root)
        self._temp_key = temp_key

    @property
    def abilities(self) -> Abilities:
        """What is kept there; only root may give files to other owners."""
        abilities = super().abilities
        return abilities if self._access.is_root else abilities._replace(keeps=abilities.keeps - {"owner"})

    def scan(self) -> Iterator[Sequence[Entry | Unreadable]]:
        """Every entry below the root but our own temp names; see SourceTree.scan."""
        for block in super().scan():
            yield [found for found in block if not self._is_ours(found.path)]

    def stat(self, path: bytes) -> Entry | None:
        """The entry at `path`, links not followed; None when there is none or it is our own."""
        return None if self._is_ours(path) else super().stat(path)

    def make_root(self) -> None:
        """Make the root (mode 0700) if it is missing and its parent exists."""
        base = self._base()
        try:
            found = calls.lstat(self._connected(), base)
            if found is None:
                calls.make_folder(self._connected(), base, PRIVATE_FOLDER)
            elif found.kind is not Kind.DIRECTORY:
                raise self._unusable("it is not a folder")
        except SftpFailure as failure:
            raise self._unusable(f"it cannot be made: {failure}") from failure

    def hold(self, holder: str) -> AbstractContextManager[None]:
        """A lease, renewed from a thread over a session of its own; Held when another run has it."""
        return leased(self._access.connect, self._base(), holder)

    def writer(self, keep: frozenset[str]) -> SftpWriter:
        """The confined writer; Refused for a word of `keep` that SFTP cannot keep."""
        lost = sorted(keep - super().abilities.keeps)
        if lost:
            raise Refused(
                f"the target {self._named()} cannot keep {', '.join(lost)}: SFTP does not carry it",
                hint="take these words out of `keep`",
            )
        return SftpWriter(self._connected(), self._base(), self._temp_key, keep)

    def large(self, entry: Entry, temp_name: bytes, keep: frozenset[str], *, makes: bool) -> SftpLargeWriter:
        """The large file `entry.path` as it grows under `temp_name`; see TargetTree.large."""
        return SftpLargeWriter(self.writer(keep), entry, temp_name, makes=makes)

    def sweep(self, spare: Collection[bytes] = ()) -> int:
        """Remove temp files of ours that an interrupted run left anywhere below the root; how many."""
        if super().stat(b"") is None:
            return 0
        swept = 0
        for block in super().scan():
            for found in block:
                if isinstance(found, Entry) and found.kind is not Kind.DIRECTORY and self._is_swept(found.path, spare):
                    self._remove_temp(found.path)
                    swept += 1
        return swept

    def space(self) -> Space | None:
        """What the file system at the root, or where it will be made, has left for us."""
        base = self._base()
        session = self._connected()
        for path in (base, base.rpartition(b"/")[0] or b"/"):
            try:
                found = calls.file_system(session, path)
            except SftpFailure:
                continue  # the root is not there yet
            return None if found is None else Space(found.free_bytes, found.free_inodes, found.number)
        return None

    def _is_temp(self, path: bytes) -> bool:
        return is_temp_name(self._temp_key, path.rpartition(b"/")[2])

    def _is_swept(self, path: bytes, spare: Collection[bytes]) -> bool:
        return self._is_temp(path) and path.rpartition(b"/")[2] not in spare

    def _is_ours(self, path: bytes) -> bool:
        if b"/" not in path and path == inner_lease_name(self._base()):
            return True
        return b".migrator-" in path and self._is_temp(path)

    def _remove_temp(self, path: bytes) -> None:
        try:
            calls.remove(self._connected(), self._absolute(path))
        except SftpFailure as failure:
            raise self._unusable(
                f"`{display(path)}`, left by an earlier run, cannot be removed: {failure}"
            ) from failure

    def _unusable(self, reason: str) -> MigratorError:
        return EndpointUnavailable(
            f"cannot use the target {self._named()}: {reason}",
            hint="its parent must exist, and it be writable for the account that migrator logs in with",
        )
