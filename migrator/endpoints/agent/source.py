"""A tree at the far end of the agent lane, to be read."""

from __future__ import annotations

import errno
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from migrator.domain.entries import Entry, Kind, Listed, Unchanged, Unreadable, display
from migrator.endpoints.agent import program as agent
from migrator.endpoints.agent.access import Access
from migrator.endpoints.agent.conversation import Conversation
from migrator.endpoints.agent.hashing import Hashing
from migrator.endpoints.agent.ranges import AgentRanges
from migrator.endpoints.agent.reading import Reading
from migrator.endpoints.agent.records import Listing, Malformed, take_attributes, take_entry, take_text
from migrator.endpoints.contract import Abilities, Checked, Digest, Fingerprints, Piece, Problem
from migrator.endpoints.faults import check_path, sentence
from migrator.errors import EndpointUnavailable, Incomplete, MigratorError

_BLOCKS_AHEAD = 3
_KNOWN_AT_ONCE = 1 << 16


class AgentSource:
    """The tree below `root`, over a session that is opened at the first use and again after it was lost."""

    def __init__(self, access: Access, root: bytes, *, drops_cache: bool = False) -> None:
        self._access = access
        self._root = root
        self._drops_cache = drops_cache
        self._session: Conversation | None = None

    @property
    def abilities(self) -> Abilities:
        """What the agent sees and keeps."""
        return self._access.abilities

    def scan(self) -> Iterator[Sequence[Entry | Unreadable]]:
        """Every entry below the root, in blocks; see SourceTree.scan."""
        for block in self._listed(None):
            yield [each for each in block if isinstance(each, Entry | Unreadable)]

    def rescan(self, fingerprints: Fingerprints) -> Iterator[Sequence[Entry | Unreadable | Listed | Unchanged]]:
        """The same, but for folders of which the agent finds the fingerprint among those known; see SourceTree."""
        return self._listed(fingerprints)

    def _listed(self, fingerprints: Fingerprints | None) -> Iterator[Sequence[Entry | Unreadable | Listed | Unchanged]]:
        session = self._connected()
        listing = Listing(fingerprints.known if fingerprints else ())
        try:
            for block in self._blocks(session, fingerprints):
                if found := listing.take(block):
                    yield found
        except Malformed as error:
            raise session.broken(f"{error}, in the listing of {self._named()}") from None
        except OSError as error:
            raise self._unavailable(error) from error

    def stat(self, path: bytes) -> Entry | None:
        """The entry at `path`, links not followed; None when there is none; raises where that cannot be told."""
        if path:
            check_path(path)
        session = self._connected()
        try:
            body = session.call(agent.STAT, 0, agent.packed(self._root), agent.packed(path))
        except OSError as error:
            if not path:
                raise self._unavailable(error) from error
            raise Incomplete(
                f"cannot look at `{display(path)}` below {self._named()}: {sentence(error)}",
                hint=f"its folder must be searchable for {self._access.account}",
            ) from error
        if body == b"\0":
            return None
        try:
            entry = take_entry(body, 1, path)
            link, at = take_text(body, 1 + agent.FACTS.size)
            xattrs, _ = take_attributes(body, at)
        except (Malformed, struct.error) as error:
            raise session.broken(str(error)) from None
        return entry._replace(link=link if entry.kind is Kind.LINK else None, xattrs=xattrs)

    def may_write(self) -> bool | None:
        """Whether the account could write there; None where the root cannot be asked about."""
        try:
            return self._connected().call(agent.MAY_WRITE, 0, agent.packed(self._root)) == b"\1"
        except OSError:
            return None  # whoever needs the root will say what is wrong with it

    def read(self, wanted: Iterable[Entry]) -> Iterator[Piece]:
        """The content of the wanted files, in the order asked for; see SourceTree.read."""
        session = self._connected()
        try:
            yield from Reading(session, self._root, wanted, drops_cache=self._drops_cache).pieces()
        except OSError as error:
            raise self._unavailable(error) from error

    def digests(self, wanted: Iterable[Entry], *, blocks: bool = False) -> Iterator[Digest]:
        """The SHA-256 of the wanted files, hashed where they are; see SourceTree.digests."""
        session = self._connected()
        try:
            hashing = Hashing(session, self._root, wanted, drops_cache=self._drops_cache, blocks=blocks)
            yield from hashing.digests()
        except OSError as error:
            raise self._unavailable(error) from error

    def ranges(self, entry: Entry) -> AgentRanges | Checked:
        """The file at `entry.path`, open to be read in parts; the problem where it cannot be opened."""
        session = self._connected()
        try:
            return AgentRanges(session, self._root, entry, drops_cache=self._drops_cache)
        except FileNotFoundError:
            return Checked(None, Problem.VANISHED, "it was gone before it could be read")
        except OSError as error:
            is_other = error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.ESTALE)
            return Checked(None, Problem.CHANGED if is_other else Problem.FAILED, sentence(error))

    def close(self) -> None:
        """Give the session back; may be called twice."""
        session, self._session = self._session, None
        if session is not None:
            self._access.give_back(session)

    def _connected(self) -> Conversation:
        if self._session is None or self._session.is_over:
            self._session = self._access.connect()
        return self._session

    def _blocks(self, session: Conversation, fingerprints: Fingerprints | None) -> Iterator[bytes]:
        """The blocks of one scan as they arrive, a few of them asked for ahead; OSError when the root is no folder."""
        handle = session.new_handle()
        arrived: deque[bytes] = deque()
        failed: list[OSError] = []
        session.send(agent.SCAN, handle, agent.packed(self._root), then=lambda _: None, fail=failed.append)
        if fingerprints is not None:
            basis, known = agent.packed(fingerprints.basis), fingerprints.known
            for first in range(0, max(1, len(known)), _KNOWN_AT_ONCE):
                some = b"".join(known[first : first + _KNOWN_AT_ONCE])
                session.send(agent.SCAN_KNOWN, handle, basis, some, then=lambda _: None, fail=failed.append)
        for _ in range(_BLOCKS_AHEAD):
            session.send(agent.SCAN_NEXT, handle, then=arrived.append, fail=failed.append)
        try:
            while True:
                while not arrived and not failed:
                    session.pump()
                if failed:
                    raise failed[0]
                block = arrived.popleft()
                if block[:1] != b"\0":
                    return
                session.send(agent.SCAN_NEXT, handle, then=arrived.append, fail=failed.append)
                yield block[1:]
        finally:
            session.let_go(handle)

    def _unavailable(self, error: OSError) -> MigratorError:
        reason = "it is not a folder" if error.errno == errno.ENOTDIR else sentence(error)
        return EndpointUnavailable(
            f"cannot read {self._named()}: {reason}",
            hint=f"it must exist, and be readable and searchable for {self._access.account}",
        )

    def _named(self) -> str:
        return f"the folder `{display(self._root)}` {self._access.where}"
