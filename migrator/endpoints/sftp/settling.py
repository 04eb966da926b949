"""Work on what stands below a target root under its own name: folders get their metadata, entries are removed."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.domain.entries import Entry, Kind
from migrator.endpoints.contract import Landed
from migrator.endpoints.faults import check_path
from migrator.endpoints.sftp import wire
from migrator.endpoints.sftp.folders import MISSING, Verdict
from migrator.endpoints.sftp.outgoing import Outgoing

_MOST_IN_FLIGHT = 512


class _Case:
    """One entry that is worked on, and how that goes."""

    __slots__ = ("entry", "is_gone", "path", "problem", "shared")

    def __init__(self, shared: Outgoing, entry: Entry) -> None:
        if entry.path:
            check_path(entry.path)
        self.shared = shared
        self.entry = entry
        self.path = wire.string(shared.folders.absolute(entry.path))
        self.problem: str | None = None
        self.is_gone = False

    @property
    def is_open(self) -> bool:
        """Whether there is anything left to do."""
        return self.problem is None and not self.is_gone

    @property
    def landed(self) -> Landed:
        """How it went."""
        return Landed(self.entry.path, self.problem)

    def require(self, folder: bytes, *, make: bool) -> None:
        """Make sure that `folder` and all above it are real."""
        self.shared.errands += 1
        self.shared.folders.require(folder, self._placed, make=make)

    def set(self, attributes: bytes) -> None:
        """Set attributes of the folder that the entry is."""
        self.shared.ask(wire.SETSTAT, self.path + attributes, self._set)

    def look(self) -> None:
        """See whether what stands there is of the kind that the entry is."""
        self.shared.ask(wire.LSTAT, self.path, self._looked)

    def remove(self) -> None:
        """Remove what stands there."""
        self.shared.reached("delete")
        self.shared.folders.open_up(self.entry.path.rpartition(b"/")[0])
        verb = wire.RMDIR if self.entry.kind is Kind.DIRECTORY else wire.REMOVE
        self.shared.ask(verb, self.path, self._removed)

    def _placed(self, verdict: Verdict) -> None:
        self.shared.errands -= 1
        if verdict == MISSING:
            self.is_gone = True
        elif verdict is not None:
            self.shared.doubt()
            self.problem = verdict

    def _set(self, kind: int, body: memoryview) -> None:
        failure = self._failure(kind, body)
        if failure is not None:
            self.problem = f"cannot get its owner, mode and times: {failure}"

    def _looked(self, kind: int, body: memoryview) -> None:
        if kind == wire.ATTRS:
            found = wire.take_attributes(body, 0)[0].kind
            if found is not self.entry.kind or found is Kind.SPECIAL:
                self.problem = f"a {found or 'thing of unknown kind'} stands there, which is not ours"
            return
        failure = self._failure(kind, body)
        self.is_gone = failure is not None and failure.code == wire.NO_SUCH_FILE
        if not self.is_gone:
            self.problem = f"cannot be looked at: {failure}"

    def _removed(self, kind: int, body: memoryview) -> None:
        failure = self._failure(kind, body)
        if failure is None or failure.code == wire.NO_SUCH_FILE:
            return
        if failure.code == wire.FAILURE and self.entry.kind is Kind.DIRECTORY:
            self.problem = "it holds entries that are not ours"
        else:
            self.problem = f"cannot be removed: {failure}"

    def _failure(self, kind: int, body: memoryview) -> wire.SftpFailure | None:
        if kind != wire.STATUS:
            raise self.shared.session.unexpected(kind)
        status = wire.take_status(body)
        return None if status.code == wire.OK else status


def settle(shared: Outgoing, directories: Sequence[Entry]) -> list[Landed]:
    """Make folders where missing and give them what is kept of the entries, in the order given."""
    cases = [_Case(shared, entry) for entry in directories]
    shared.folders.forget()
    for case in cases:
        _make_room(shared)
        case.require(case.entry.path, make=True)
    shared.until(lambda: not shared.errands)
    for case in cases:
        _make_room(shared)
        case.problem = case.problem or shared.metadata.obstacle(case.entry)
        if case.is_open:
            for attributes in shared.metadata.attributes(case.entry):
                case.set(attributes)
    shared.until(lambda: not shared.errands)
    shared.folders.forget()
    return [case.landed for case in cases]


def remove(shared: Outgoing, entries: Sequence[Entry]) -> list[Landed]:
    """Remove files, links and empty folders, in the order given."""
    cases = [_Case(shared, entry) for entry in entries]
    for entry in entries:
        check_path(entry.path)
    shared.folders.forget()
    for case in cases:
        _make_room(shared)
        case.require(case.entry.path.rpartition(b"/")[0], make=False)
    shared.until(lambda: not shared.errands)
    for case in cases:
        _make_room(shared)
        if case.is_open:
            case.look()
    shared.until(lambda: not shared.errands)
    emptied: set[bytes] = set()  # folders that something is being removed from
    for case in cases:
        if not case.is_open:
            continue
        _make_room(shared)
        if case.entry.path in emptied:  # only requests for one and the same path are sure to be handled in order
            shared.until(lambda: not shared.errands)
            emptied.clear()
        case.remove()
        emptied.add(case.entry.path.rpartition(b"/")[0])
    shared.until(lambda: not shared.errands)
    shared.folders.forget()
    return [case.landed for case in cases]


def _make_room(shared: Outgoing) -> None:
    shared.until(lambda: shared.session.in_flight < _MOST_IN_FLIGHT)
