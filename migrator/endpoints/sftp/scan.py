"""Listing a tree over SFTP: many folders at a time, the folder before what is in it, memory bounded."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from migrator import failpoints
from migrator.domain.entries import Entry, Kind, Unreadable, display
from migrator.endpoints.sftp import wire
from migrator.endpoints.sftp.session import SftpSession
from migrator.errors import EndpointUnavailable, MigratorError, SafetyStop

BLOCK_ENTRIES = 1000
MOST_NAMES_IN_A_FOLDER = 2_000_000  # what is remembered of that many takes some 150 MB

_AHEAD = 4  # READDIR requests in flight a folder: large folders come in packets of a hundred names
_BUSY = 256  # requests in flight from which on no more is begun
_BARREN = 1000  # answers in a row without a new name after which a listing is endless
# OpenSSH's server leaves out, without a word, names whose whole path exceeds PATH_MAX: less a slash, a name, a NUL.
_LONGEST_SURE_PATH_BYTES = 4096 - 257
_LONGEST_NAME_BYTES = 4096  # no system has names that come near it
_SHOWN_BYTES = 300
_LONGEST_PATH_BYTES = 65535  # sixteen times what Linux takes: a tree this deep is made up


class _Folder:
    """One folder while it is listed."""

    __slots__ = (
        "barren",
        "handle",
        "has_failed",
        "is_over",
        "lists_itself",
        "names",
        "open_when_refused",
        "outstanding",
        "path",
    )

    def __init__(self, path: bytes) -> None:
        self.path = path
        self.handle = b""
        self.outstanding = 0
        self.is_over = False
        self.has_failed = False
        self.lists_itself = False  # whether `.` is among the names
        self.barren = 0
        self.names: set[int] = set()  # hashes: names themselves may be as long as a packet
        self.open_when_refused = 0  # other handles that were open when the server refused this one; 0: it never did


class TreeScan:
    """One scan of everything below an absolute path."""

    def __init__(
        self, session: SftpSession, base: bytes, root: Entry, most_names: int = MOST_NAMES_IN_A_FOLDER
    ) -> None:
        self._session = session
        self._base = base
        self._prefix = base if base.endswith(b"/") else base + b"/"
        self._most_names = most_names
        self._due: list[Entry | Unreadable] = [root]
        self._to_open: list[bytes] = [b""]  # last in, first out keeps it short
        self._open: set[_Folder] = set()
        self._refused: list[_Folder] = []
        self._stalled: list[_Folder] = []
        self._lookups = 0
        self._error: MigratorError | None = None
        self._is_abandoned = False

    def blocks(self) -> Iterator[list[Entry | Unreadable]]:
        """Everything below the root, see SourceTree.scan."""
        try:
            while True:
                self._advance()
                if self._error is not None:
                    raise self._error
                is_finished = not (self._open or self._lookups or self._to_open or self._refused)
                if is_finished or len(self._due) >= BLOCK_ENTRIES:
                    due, self._due = self._due, []
                    for start in range(0, len(due), BLOCK_ENTRIES):
                        yield due[start : start + BLOCK_ENTRIES]
                    if is_finished:
                        return
                else:
                    self._session.pump()
        finally:
            self._abandon()

    def _advance(self) -> None:
        """Begin as much as the server and the memory bear; always something when nothing is in flight."""
        session = self._session
        handles = session.handles
        while self._stalled and session.in_flight < _BUSY:
            self._list(self._stalled.pop())
        if self._refused:
            if handles.open == 0 or session.in_flight == 0:
                self._ask_for(self._refused.pop())
            return
        while self._to_open and session.in_flight < _BUSY and (handles.has_room or session.in_flight == 0):
            self._ask_for(_Folder(self._to_open.pop()))

    def _ask_for(self, folder: _Folder) -> None:
        try:
            failpoints.reached("scan")
        except OSError as error:
            self._unreadable(folder.path, str(error.strerror))
            return
        self._open.add(folder)
        self._session.handles.open += 1
        self._session.send(wire.OPENDIR, wire.string(self._absolute(folder.path)), partial(self._opened, folder))

    def _opened(self, folder: _Folder, kind: int, body: memoryview) -> None:
        handles = self._session.handles
        if kind == wire.HANDLE:
            folder.handle = wire.take_handle(body)
            if folder.open_when_refused:
                handles.learn(retry_succeeded=True, open_when_refused=folder.open_when_refused)
            if self._is_abandoned:
                self._close(folder)
            else:
                self._list(folder)
            return
        if kind != wire.STATUS:
            raise self._session.unexpected(kind)
        handles.open -= 1
        self._open.discard(folder)
        if folder.open_when_refused:
            handles.learn(retry_succeeded=False, open_when_refused=folder.open_when_refused)
        elif handles.is_worth_retrying(wire.code_of(body)):
            folder.open_when_refused = handles.open
            self._refused.append(folder)
            return
        self._unreadable(folder.path, str(wire.take_status(body)))

    def _list(self, folder: _Folder) -> None:
        """Ask for the next names: two packets at first, since most folders are small, more once names come."""
        if folder.is_over:
            return  # it was stalled, and has come to its end since
        if self._session.in_flight > 8 * _BUSY:
            self._stalled.append(folder)
            return
        ahead = _AHEAD if folder.names else 2
        request = wire.string(folder.handle)
        while folder.outstanding < ahead:
            folder.outstanding += 1
            self._session.send(wire.READDIR, request, partial(self._listed, folder))

    def _listed(self, folder: _Folder, kind: int, body: memoryview) -> None:
        folder.outstanding -= 1
        if kind == wire.NAME:
            self._take_names(folder, body)
        elif kind == wire.STATUS:
            if wire.code_of(body) != wire.EOF and not folder.is_over:
                folder.has_failed = True
                self._unreadable(folder.path, str(wire.take_status(body)))
            folder.is_over = True
        else:
            raise self._session.unexpected(kind)
        if not (folder.is_over or self._is_abandoned):
            self._list(folder)
        elif folder.outstanding == 0:
            if not (folder.has_failed or self._is_abandoned):
                self._make_sure(folder)
            self._close(folder)

    def _make_sure(self, folder: _Folder) -> None:
        """See that a listing that ended well is no lie: OpenSSH's server leaves out every name that it cannot look at.

        In a folder that may be listed but not searched that is all of them, `.` included: it would pass as empty.
        """
        path = self._absolute(folder.path)
        if len(path) > _LONGEST_SURE_PATH_BYTES:
            self._unreadable(folder.path, "its path is so long that the server may leave out what is in it")
        elif not folder.lists_itself:
            self._lookups += 1
            self._session.send(wire.LSTAT, wire.string(path + b"/."), partial(self._was_searched, folder))

    def _was_searched(self, folder: _Folder, kind: int, body: memoryview) -> None:
        self._lookups -= 1
        if kind == wire.STATUS and wire.code_of(body) == wire.PERMISSION_DENIED:
            self._unreadable(folder.path, "it may be listed, but not searched: permission denied")

    def _close(self, folder: _Folder) -> None:
        self._open.discard(folder)
        folder.names.clear()
        self._session.send(wire.CLOSE, wire.string(folder.handle), self._closed)

    def _closed(self, _kind: int, _body: memoryview) -> None:
        self._session.handles.open -= 1

    def _take_names(self, folder: _Folder, body: memoryview) -> None:
        names = folder.names
        before = len(names)
        prefix = folder.path + b"/" if folder.path else b""
        for name, attributes in wire.take_names(body):
            if name in (b".", b".."):
                folder.lists_itself |= name == b"."
                continue
            if not name or b"/" in name or b"\0" in name or len(name) > _LONGEST_NAME_BYTES:
                raise self._hostile(folder, f"a name that no file can have: `{display(name[:_SHOWN_BYTES])}`")
            if (remembered := hash(name)) in names:
                raise self._hostile(folder, f"the name `{display(name)}` twice")
            names.add(remembered)
            path = prefix + name
            entry = attributes.entry(path)
            if entry is None:
                self._look_up(path)
            else:
                self._place(entry)
        folder.barren = folder.barren + 1 if len(names) == before else 0
        if len(names) > self._most_names or folder.barren >= _BARREN:
            raise self._hostile(folder, "names without end")
        if len(prefix) > _LONGEST_PATH_BYTES:
            raise self._hostile(folder, "folders in folders without end")

    def _place(self, entry: Entry) -> None:
        """Hand out an entry, or see first what a link says."""
        if entry.kind is Kind.LINK:
            self._lookups += 1
            self._session.send(
                wire.READLINK, wire.string(self._prefix + entry.path), partial(self._link_was_read, entry)
            )
            return
        self._due.append(entry)
        if entry.kind is Kind.DIRECTORY:
            self._to_open.append(entry.path)

    def _link_was_read(self, entry: Entry, kind: int, body: memoryview) -> None:
        self._lookups -= 1
        if kind == wire.NAME:
            text = wire.take_name(body)
            if text and b"\0" not in text:
                self._due.append(entry._replace(link=text))
            else:
                self._due.append(Unreadable(entry.path, "the link has a text that no link can have"))
        else:
            self._missed(entry.path, kind, body)

    def _look_up(self, path: bytes) -> None:
        """The listing left out what must be known: ask for this entry alone."""
        self._lookups += 1
        self._session.send(wire.LSTAT, wire.string(self._prefix + path), partial(self._looked_up, path))

    def _looked_up(self, path: bytes, kind: int, body: memoryview) -> None:
        self._lookups -= 1
        if kind == wire.ATTRS:
            entry = wire.take_attributes(body, 0)[0].entry(path)
            if entry is None:
                self._due.append(Unreadable(path, "the server does not tell its kind, size and time"))
            else:
                self._place(entry)
        else:
            self._missed(path, kind, body)

    def _missed(self, path: bytes, kind: int, body: memoryview) -> None:
        """An entry could not be looked at; one that is gone by now was never there."""
        if kind != wire.STATUS:
            raise self._session.unexpected(kind)
        failure = wire.take_status(body)
        if failure.code != wire.NO_SUCH_FILE:
            self._due.append(Unreadable(path, str(failure)))

    def _unreadable(self, path: bytes, reason: str) -> None:
        if path:
            self._due.append(Unreadable(path, reason))
        else:
            self._error = EndpointUnavailable(
                f"the root `{display(self._base)}` on `{self._session.name}` cannot be listed: {reason}"
            )

    def _hostile(self, folder: _Folder, what: str) -> MigratorError:
        return self._session.stop(
            SafetyStop(
                f"the listing of `{display(self._absolute(folder.path))}` on `{self._session.name}` holds {what}",
                hint="this is a broken or hostile server; nothing of this listing was acted on since",
            )
        )

    def _absolute(self, path: bytes) -> bytes:
        return self._prefix + path if path else self._base

    def _abandon(self) -> None:
        """Let go of the handles when nobody asks for more."""
        self._is_abandoned = True
        if self._session.is_over:
            return
        for folder in [folder for folder in self._open if folder.handle and not folder.outstanding]:
            self._close(folder)
