"""A tree at the far end of the agent lane, to be written, and read again to prove it."""

from __future__ import annotations

import errno
import struct
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from migrator.domain.entries import Entry, Kind, Unreadable, display
from migrator.endpoints.agent import program as agent
from migrator.endpoints.agent.access import Access
from migrator.endpoints.agent.ranges import AgentLargeWriter
from migrator.endpoints.agent.source import AgentSource
from migrator.endpoints.agent.writer import AgentWriter
from migrator.endpoints.contract import Abilities, Fingerprints, Space
from migrator.endpoints.faults import DISK_FAULTS, disk_fault, sentence
from migrator.endpoints.temp_names import is_temp_name
from migrator.errors import EndpointUnavailable, Held, MigratorError, Refused

_SPACE = struct.Struct(">QBQQ")


class AgentTarget(AgentSource):
    """The tree below `root` in the target role; read from the disk there as far as its kernel allows."""

    def __init__(self, access: Access, root: bytes, temp_key: bytes) -> None:
        super().__init__(access, root, drops_cache=True)
        self._temp_key = temp_key
        self._lost: frozenset[str] | None = None

    @property
    def abilities(self) -> Abilities:
        """What is kept there; only root may give files away, and not every file system has attributes."""
        abilities = super().abilities
        if self._lost is None:
            self._lost = self._lost_by_file_system()
        lost = self._lost if self._access.is_root else self._lost | {"owner"}
        return abilities._replace(keeps=abilities.keeps - lost)

    def scan(self) -> Iterator[Sequence[Entry | Unreadable]]:
        """Every entry below the root but our own temp names; see SourceTree.scan."""
        for block in super().scan():
            yield [found for found in block if not self._is_temp(found.path)]

    def rescan(self, fingerprints: Fingerprints) -> Iterator[Sequence[Entry | Unreadable]]:
        """A plain scan: our own temp names have no place in what is remembered of a folder."""
        del fingerprints
        return self.scan()

    def stat(self, path: bytes) -> Entry | None:
        """The entry at `path`, links not followed; None when there is none or it is our own."""
        return None if self._is_temp(path) else super().stat(path)

    def make_root(self) -> None:
        """Make the root (mode 0700) if it is missing and its parent exists, durably."""
        try:
            self._connected().call(agent.MAKE_ROOT, 0, agent.packed(self._root))
        except OSError as error:
            raise self._unusable(error) from error

    @contextmanager
    def hold(self, holder: str) -> Iterator[None]:
        """The lock of the far kernel, held by an agent of its own; it ends with its connection."""
        del holder  # nothing of a dead run is left that would have to be taken over
        session = self._access.connect()
        try:
            try:
                session.call(agent.LOCK, session.new_handle(), agent.packed(self._root))
            except OSError as error:
                if error.errno == errno.EWOULDBLOCK:
                    raise Held(
                        f"another run holds the target {self._named()}",
                        hint="wait for it to end; its lock goes with it, nothing has to be cleaned up",
                    ) from error
                raise self._unusable(error) from error
            yield
        finally:
            session.close()

    def writer(self, keep: frozenset[str]) -> AgentWriter:
        """The confined writer; Refused for a word of `keep` that this lane cannot keep."""
        lost = sorted(keep - self.abilities.keeps)
        if lost:
            raise Refused(
                f"the target {self._named()} cannot keep {', '.join(lost)}",
                hint="take these words out of `keep`; only root can keep owners, and only some file systems the others",
            )
        try:
            return AgentWriter(self._connected(), self._root, self._temp_key, keep)
        except OSError as error:
            raise self._unusable(error) from error

    def large(self, entry: Entry, temp_name: bytes, keep: frozenset[str], *, makes: bool) -> AgentLargeWriter:
        """The large file `entry.path` as it grows under `temp_name`; see TargetTree.large."""
        is_sparse = "holes" in keep and entry.allocated is not None and entry.allocated < entry.size
        session = self._connected()
        return AgentLargeWriter(session, self._root, entry, temp_name, keep, makes=makes, is_sparse=is_sparse)

    def sweep(self, spare: Collection[bytes] = ()) -> int:
        """Remove temp files of ours that an interrupted run left anywhere below the root; how many."""
        if super().stat(b"") is None:
            return 0
        swept = 0
        writer = self.writer(frozenset())
        try:
            for block in super().scan():
                temps = [found for found in block if isinstance(found, Entry) and self._is_swept(found, spare)]
                for landed in writer.unlink_temps(temps):
                    if landed.problem is not None:
                        raise self._unusable(
                            f"`{display(landed.path)}`, left by an earlier run, cannot be removed: {landed.problem}"
                        )
                swept += len(temps)
        finally:
            writer.close()
        return swept

    def space(self) -> Space | None:
        """What the file system at the root, or at the place where it will be made, has left for us."""
        session = self._connected()
        try:
            answer = session.call(agent.SPACE, 0, agent.packed(self._root))
        except OSError:
            return None  # neither is there
        try:
            free_bytes, counts_inodes, free_inodes, device = _SPACE.unpack(answer)
        except struct.error:
            raise session.broken("a number of free bytes that cannot be understood") from None
        return Space(free_bytes, free_inodes if counts_inodes else None, device)

    def _lost_by_file_system(self) -> frozenset[str]:
        try:
            answer = self._connected().call(agent.ATTRIBUTES_KEPT, 0, agent.packed(self._root))
        except OSError:
            return frozenset()  # neither the root nor its parent is there, which whoever needs them will say
        return frozenset(word for word, flag in zip(("xattrs", "acls"), answer, strict=False) if not flag)

    def _is_temp(self, path: bytes) -> bool:
        return b".migrator-" in path and is_temp_name(self._temp_key, path.rpartition(b"/")[2])

    def _is_swept(self, found: Entry, spare: Collection[bytes]) -> bool:
        is_ours = found.kind is not Kind.DIRECTORY and self._is_temp(found.path)
        return is_ours and found.path.rpartition(b"/")[2] not in spare

    def _unusable(self, fault: OSError | str) -> MigratorError:
        if isinstance(fault, OSError) and fault.errno in DISK_FAULTS:
            return disk_fault(self._root, fault)
        return EndpointUnavailable(
            f"cannot use the target {self._named()}: {fault if isinstance(fault, str) else sentence(fault)}",
            hint=f"the folder above it must exist, and both be open to {self._access.account}",
        )
