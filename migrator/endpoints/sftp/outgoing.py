"""Items on their way to the server, under temp names, and what they share.

An item waits for nothing: each step is taken when the answer to the one before has come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from migrator import failpoints
from migrator.domain.entries import Entry, Kind, display
from migrator.endpoints.faults import disk_fault
from migrator.endpoints.sftp import wire
from migrator.endpoints.sftp.calls import link_payload
from migrator.endpoints.sftp.folders import Folders, Verdict
from migrator.endpoints.sftp.metadata import Metadata
from migrator.endpoints.sftp.session import Answer, SftpSession
from migrator.errors import EndpointUnavailable, Incomplete, MigratorError

FOLDER_IN_THE_WAY = "a folder stands there, which is not ours"

_FULL_BELOW_BYTES = 64 * 1024  # so little room is left that a write may have failed for lack of it


class Outgoing:
    """What the items of one writer share."""

    def __init__(self, session: SftpSession, base: bytes, keep: frozenset[str]) -> None:
        self.session = session
        self.base = base
        self.folders = Folders(session, base)
        self.metadata = Metadata(keep)
        self.refused: deque[OutgoingItem] = deque()  # to be opened again with no other handle open
        self.unfinished = 0  # items on their way to their temp names, those not wanted any more included
        self.unacknowledged_bytes = 0  # held, or sent and not answered
        self.errands = 0  # requests beside those of the items themselves that are not answered yet
        self.fault: MigratorError | None = None  # why the whole target is of no more use
        self.is_closing = False  # no fault counts any more: only what is to be removed is left to do

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to be answered."""
        return self.unfinished == 0 and self.errands == 0

    def until(self, is_done: Callable[[], bool]) -> None:
        """Pump until `is_done()`, or nothing more can come; raises when the whole target turns out to be of no use."""
        session = self.session
        while self.fault is None and not is_done():
            if self.refused and (session.handles.open == 0 or session.in_flight == 0):
                self.refused.popleft().open()
            if not session.in_flight:
                break
            session.pump()
        if self.fault is not None:
            raise self.fault

    def ask(self, kind: int, payload: bytes, then: Answer) -> None:
        """Send a request that counts as an errand until `then` was called with its answer."""

        def answered(kind: int, body: memoryview) -> None:
            self.errands -= 1
            then(kind, body)

        self.errands += 1
        self.session.send(kind, payload, answered)

    def reached(self, fail_point: str) -> None:
        """Come to a moment at which a test may have the target's disk fail."""
        try:
            failpoints.reached(fail_point)
        except OSError as error:
            self.fault = disk_fault(self.base, error)

    def doubt(self) -> None:
        """A server says only "failure" when its disk is full: ask, before anything is removed that makes room."""
        if wire.STATVFS in self.session.extensions and self.fault is None and not self.is_closing:
            self.ask(wire.EXTENDED, wire.string(wire.STATVFS) + wire.string(self.base), self._judge)

    def clean_up(self, path: bytes) -> None:
        """Remove a temp file or link of ours; what is left all the same is swept by the next run."""
        self.ask(wire.REMOVE, wire.string(path), lambda _kind, _body: None)

    def _judge(self, kind: int, body: memoryview) -> None:
        if kind != wire.EXTENDED_REPLY or self.is_closing:
            return  # it cannot tell either: the failure stays that item's own
        found = wire.take_file_system(body)
        where = f"the target `{display(self.base)}` on `{self.session.name}`"
        if found.is_read_only:
            self.fault = EndpointUnavailable(
                f"{where} cannot be written: it is mounted read-only",
                hint="look at its disk and how it is mounted, then type the same command again",
            )
        elif found.free_bytes < _FULL_BELOW_BYTES or found.free_inodes == 0:
            self.fault = Incomplete(
                f"{where} is full",
                hint="make room there (bytes, inodes or quota), then type the same command again",
            )


class OutgoingItem:
    """What files and links have in common."""

    __slots__ = ("entry", "folder", "is_over", "is_unwanted", "path", "problem", "shared", "temp")

    def __init__(self, shared: Outgoing, entry: Entry, temp_name: bytes) -> None:
        self.shared = shared
        self.entry = entry
        self.folder, _, _ = entry.path.rpartition(b"/")
        self.path = shared.folders.absolute(entry.path)
        self.temp = self.beside(temp_name)
        self.problem: str | None = None
        self.is_over = False  # nothing more happens to it before its rename
        self.is_unwanted = False

    def start(self) -> None:
        """Make its folders and go on from there."""
        self.shared.unfinished += 1
        self.problem = self.shared.metadata.obstacle(self.entry)
        if self.problem is None:
            self.shared.folders.require(self.folder, self._placed, make=True)
        else:
            self._settle_down()

    def beside(self, name: bytes) -> bytes:
        """The absolute path of `name` in the same folder."""
        return self.shared.folders.absolute(self.folder + b"/" + name if self.folder else name)

    def discard(self) -> None:
        """It is not to land: remove what there is of it now or later."""
        self.is_unwanted = True
        if self.is_over:
            self.shared.clean_up(self.temp)

    def open(self) -> None:
        """Make it under its temp name; its folder is there."""
        raise NotImplementedError

    def replace(self) -> None:
        """Give it its final name in one atomic step, over what stands there."""
        self.shared.reached("rename")
        names = wire.string(self.temp) + wire.string(self.path)
        self.shared.ask(wire.EXTENDED, wire.string(wire.POSIX_RENAME) + names, self._replaced)

    def fail(self, reason: str) -> None:
        """It cannot land."""
        self.problem = reason
        self.shared.clean_up(self.temp)

    def _replaced(self, kind: int, body: memoryview) -> None:
        if not self._check("get its name", kind, body):
            self.shared.ask(wire.LSTAT, wire.string(self.path), self._looked_in_the_way)
            self.shared.clean_up(self.temp)

    def _looked_in_the_way(self, kind: int, body: memoryview) -> None:
        if kind == wire.ATTRS and wire.take_attributes(body, 0)[0].kind is Kind.DIRECTORY:
            self.problem = FOLDER_IN_THE_WAY

    def _placed(self, verdict: Verdict) -> None:
        if verdict is not None:
            self.shared.doubt()
            self._spoil(verdict)
        if self.problem is None and not self.is_unwanted:
            self.shared.folders.open_up(self.folder)
            self.open()
        else:
            self._settle_down()

    def _settle_down(self) -> None:
        """Nothing more happens to it before its rename."""
        self.is_over = True
        self.shared.unfinished -= 1

    def _end(self) -> None:
        """All answers are there: an item that cannot land leaves nothing behind."""
        self._settle_down()
        if self.problem is not None or self.is_unwanted:
            self.shared.clean_up(self.temp)

    def _spoil(self, reason: str) -> None:
        self.problem = self.problem or reason

    def _check(self, what: str, kind: int, body: memoryview) -> bool:
        """Whether a STATUS answer says that `what` was done; if not, it is this item's problem."""
        if kind != wire.STATUS:
            raise self.shared.session.unexpected(kind)
        code = wire.code_of(body)
        if code == wire.OK:
            return True
        if code == wire.FAILURE:
            self.shared.doubt()
        self._spoil(f"cannot {what}: {wire.take_status(body)}")
        return False


class OutgoingLink(OutgoingItem):
    """A symbolic link; made only where the order of SYMLINK's arguments is known."""

    __slots__ = ()

    def open(self) -> None:
        """Make it under its temp name; its folder is there."""
        session = self.shared.session
        if not session.is_link_order_known:
            self._spoil("the server makes no links")
            self._settle_down()
            return
        session.send(wire.SYMLINK, link_payload(session, self.entry.link or b"", self.temp), self._made)

    def _made(self, kind: int, body: memoryview) -> None:
        if not self._check("be made", kind, body):
            self._settle_down()
            return
        session = self.shared.session
        attributes = self.shared.metadata.link_attributes(self.entry)
        if attributes is None or wire.LSETSTAT not in session.extensions:
            self._end()
        else:
            payload = wire.string(wire.LSETSTAT) + wire.string(self.temp) + attributes
            session.send(wire.EXTENDED, payload, self._set)

    def _set(self, kind: int, body: memoryview) -> None:
        self._check("get its owner and times", kind, body)
        self._end()
