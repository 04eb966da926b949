"""A tree behind an SFTP server, to be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from migrator.domain.entries import Entry, Kind, Unreadable, display
from migrator.endpoints.contract import Abilities, Checked, Digest, Fingerprints, Piece, Problem
from migrator.endpoints.digesting import digests_of
from migrator.endpoints.faults import check_path
from migrator.endpoints.sftp import calls, wire
from migrator.endpoints.sftp.access import Access
from migrator.endpoints.sftp.ranges import SftpRanges
from migrator.endpoints.sftp.read import Reader
from migrator.endpoints.sftp.scan import TreeScan
from migrator.endpoints.sftp.session import SftpSession
from migrator.endpoints.sftp.wire import SftpFailure
from migrator.errors import EndpointUnavailable, Incomplete, MigratorError


class SftpSource:
    """The tree below `root`, over one session that is opened at the first use and again after it was lost.

    Links in the path of the root itself are followed, once, when it is first needed.
    """

    def __init__(self, access: Access, root: bytes) -> None:
        self._access = access
        self._root = root
        self._resolved: bytes | None = None
        self._session: SftpSession | None = None

    @property
    def abilities(self) -> Abilities:
        """What SFTP sees."""
        return self._access.abilities

    def scan(self) -> Iterator[Sequence[Entry | Unreadable]]:
        """Every entry below the root, in blocks; see SourceTree.scan."""
        root = self.stat(b"")
        if root is None:
            raise self._unavailable("it is not there")
        if root.kind is not Kind.DIRECTORY:
            raise self._unavailable("it is not a folder")
        yield from TreeScan(self._connected(), self._base(), root).blocks()

    def rescan(self, fingerprints: Fingerprints) -> Iterator[Sequence[Entry | Unreadable]]:
        """A plain scan: without ctime nothing proves a file to be what it was."""
        del fingerprints
        return self.scan()

    def stat(self, path: bytes) -> Entry | None:
        """The entry at `path`, links not followed; None when there is none; raises where that cannot be told."""
        if path:
            check_path(path)
        place = self._absolute(path)
        session = self._connected()
        try:
            found = calls.lstat(session, place)
            if found is None:
                return None
            entry = found.entry(path)
            if entry is not None and entry.kind is Kind.LINK:
                entry = entry._replace(link=calls.read_link(session, place))
        except SftpFailure as failure:
            raise self._no_look(path, str(failure)) from failure
        if entry is None:
            raise self._no_look(path, "the server does not tell its kind, size and time")
        return entry

    def may_write(self) -> bool | None:
        """Whether the account could write there; None where the bits leave it open, as SFTP does not say who we are."""
        session = self._connected()
        try:
            found = calls.lstat(session, self._base())
            below = calls.file_system(session, self._base())
        except SftpFailure:
            return None  # whoever needs the root will say what is wrong with it
        if below is not None and below.is_read_only:
            return False
        if self._access.is_root:
            return True
        mode = None if found is None else found.st_mode
        if mode is None:
            return None
        anybody, nobody = mode & 0o003 == 0o003, not mode & 0o222
        return anybody if anybody or nobody else None

    def read(self, wanted: Iterable[Entry]) -> Iterator[Piece]:
        """The content of the wanted files, in the order asked for; see SourceTree.read."""
        yield from Reader(self._connected(), self._base()).pieces(wanted)

    def digests(self, wanted: Iterable[Entry], *, blocks: bool = False) -> Iterator[Digest]:
        """The SHA-256 of the wanted files, computed here of what is read; see SourceTree.digests."""
        return digests_of(self.read(wanted), blocks=blocks)

    def ranges(self, entry: Entry) -> SftpRanges | Checked:
        """The file at `entry.path`, open to be read in parts; the problem where it cannot be opened."""
        check_path(entry.path)
        try:
            return SftpRanges(self._connected(), self._absolute(entry.path), entry)
        except SftpFailure as failure:
            if failure.code == wire.NO_SUCH_FILE:
                return Checked(None, Problem.VANISHED, "it was gone before it could be read")
            return Checked(None, Problem.FAILED, str(failure))

    def close(self) -> None:
        """End the session; may be called twice."""
        if self._session is not None:
            self._session.close()

    def _connected(self) -> SftpSession:
        if self._session is None or self._session.is_over:
            self._session = self._access.connect()
        return self._session

    def _base(self) -> bytes:
        """The root as the server resolves it, so that a link on the way that is changed later changes nothing."""
        if self._resolved is None:
            session = self._connected()
            try:
                resolved = calls.real_path(session, self._root)
            except SftpFailure:
                return self._root  # what is wrong with it shows in what is done next
            self._resolved = resolved if resolved.startswith(b"/") and b"\0" not in resolved else self._root
        return self._resolved

    def _absolute(self, path: bytes) -> bytes:
        base = self._base()
        return base.rstrip(b"/") + b"/" + path if path else base

    def _no_look(self, path: bytes, reason: str) -> MigratorError:
        if not path:
            return self._unavailable(reason)
        return Incomplete(
            f"cannot look at `{display(path)}` below {self._named()}: {reason}",
            hint="its folder must be searchable for the account that migrator logs in with",
        )

    def _unavailable(self, reason: str) -> MigratorError:
        return EndpointUnavailable(
            f"cannot use {self._named()}: {reason}",
            hint="it must be a folder that the account migrator logs in with may list",
        )

    def _named(self) -> str:
        return f"the root `{display(self._root)}` on `{self._access.name}`"
