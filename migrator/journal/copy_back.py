"""What a dataset consists of on its way back: the target as users found it, and what changed there since."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import and_, exists, not_, or_, select
from sqlalchemy.sql import ColumnElement

from migrator.domain.entries import Class, Entry, Kind
from migrator.journal import tables
from migrator.journal.database import Database
from migrator.journal.items import ENTRY, blocks, entry_of, facts_of
from migrator.journal.manifest import Manifest
from migrator.journal.sequence import next_seq

What = Literal["created", "changed", "deleted", "unknown"]

_QUESTION = 900  # SQLite allows 999 parameters at least
_item = tables.item.c
_FOLDER = Kind.DIRECTORY.value
# How an item of the way back is known to stand on both sides, until it is carried.
TRUST_FOUND = "found at the target when users were sent there"
_LEFT_OUT = (Class.WAIVED.value, Class.EXCLUDED.value)

# What the source has, before anybody has looked at the target: a row stays pending until it is found there, equal.
_BEGIN = """
    INSERT INTO item (
        dataset, path, kind, size, mtime_ns, mode, uid, gid, link, xattrs, state, reason, sha256, trust, copied_seq,
        target_kind
    )
    SELECT
        :back, path, kind, size, mtime_ns, mode, uid, gid, link, xattrs, 'pending', 'differs at the target', sha256,
        trust, copied_seq, target_kind
    FROM item
    WHERE dataset = :forward AND is_gone = 0 AND target_kind IS NOT NULL AND state NOT IN ('waived', 'excluded')
"""
_FOUND = """
    INSERT OR REPLACE INTO item (
        dataset, path, kind, size, mtime_ns, mode, uid, gid, link, ctime_ns, inode, links, device, allocated, xattrs,
        sha256, target_kind, trust, verified_by, copied_seq, verified_seq, state
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'verified')
"""
_CLEAR = (
    "DELETE FROM item WHERE dataset = ?",
    "DELETE FROM foreign_entry WHERE dataset = ?",
    "DELETE FROM large_file WHERE dataset = ?",
)


class Change(NamedTuple):
    """One item of the target that is not as it was when users were sent there."""

    path: bytes
    kind: Kind
    what: What
    size: int
    mtime_ns: int
    link: bytes | None
    reason: str | None  # why it is unknown


class CopyBack:
    """The way back of one dataset. Its `manifest` describes the target; what is "at the target" there is the source's.

    Every method that writes is one transaction, durable when it returns.
    """

    def __init__(self, database: Database, forward_id: int, back_id: int, dataset: str) -> None:
        self.manifest = Manifest(database, back_id, dataset)
        self._database = database
        self._forward = forward_id
        self._back = back_id

    def begin(self) -> None:
        """Forget an earlier way back; take all that was brought to the target for different there until it is seen."""
        with self._database.write() as connection:
            for statement in _CLEAR:
                connection.exec_driver_sql(statement, (self._back,))
            connection.exec_driver_sql(_BEGIN, {"back": self._back, "forward": self._forward})

    def brought(self, paths: Sequence[bytes]) -> dict[bytes, tuple[Entry, bytes | None]]:
        """Those of the paths that were brought to the target: as the source had them, with their digest."""
        found = {}
        for first in range(0, len(paths), _QUESTION):
            query = select(*ENTRY, _item.sha256).where(
                _item.dataset == self._forward,
                _item.path.in_(paths[first : first + _QUESTION]),
                _item.is_gone == 0,
                _item.target_kind.is_not(None),
                _item.state.not_in(_LEFT_OUT),
            )
            with self._database.read() as connection:
                for row in connection.execute(query):
                    found[row[0]] = (entry_of(row), row[-1])
        return found

    def found(self, rows: Sequence[tuple[Entry, bytes | None]]) -> None:
        """Note what stands at the target as it should, as it was seen there, with its digest: nothing is to be done."""
        with self._database.write() as connection:
            seq = next_seq(connection)
            values = [
                (self._back, *facts_of(entry), sha256, entry.kind.value, TRUST_FOUND, TRUST_FOUND, seq, seq)
                for entry, sha256 in rows
            ]
            connection.exec_driver_sql(_FOUND, values)

    def changes(self, keep: Collection[str]) -> Iterator[list[Change]]:
        """What changed at the target by the latest scan of it, in blocks, by path.

        A folder of which only the time moved is no change of its own; `keep` says what else counts.
        """
        query = select(
            _item.path, _item.kind, _item.target_kind, _item.size, _item.mtime_ns, _item.link, _item.state,
            _item.reason, _item.is_gone,
        ).where(self._is_changed(keep))  # fmt: skip
        return blocks(self._database, query, _change_of)

    def has_changes(self, keep: Collection[str]) -> bool:
        """Whether `changes` would bring any."""
        return self._any(self._is_changed(keep))

    def has_unproven(self) -> bool:
        """Whether anything was copied back and not verified since."""
        return self._any(and_(_item.dataset == self._back, _item.state == Class.ACKNOWLEDGED.value))

    def doubt(self) -> None:
        """Have the next pass towards the target carry again whatever changed there, whether it was copied back or not.

        To be called when the way back is over.
        """
        back = tables.item.alias("back")
        changed = select(back.c.path).where(
            back.c.dataset == self._back,
            or_(back.c.is_gone == 1, back.c.state != Class.VERIFIED.value, back.c.trust != TRUST_FOUND),
        )
        doubted = tables.item.update().where(
            _item.dataset == self._forward,
            _item.is_gone == 0,
            _item.state.in_([Class.ACKNOWLEDGED.value, Class.VERIFIED.value, Class.FAILED.value]),
            _item.path.in_(changed),
        )
        values = {"state": Class.PENDING.value, "reason": "changed at the target", "verified_seq": None}
        with self._database.write() as connection:
            connection.execute(doubted.values(**values, verified_by=None))

    def _is_changed(self, keep: Collection[str]) -> ColumnElement[bool]:
        is_deleted = and_(_item.is_gone == 1, _item.target_kind.is_not(None))
        is_other = and_(_item.is_gone == 0, _item.state.in_([Class.PENDING.value, Class.FAILED.value]))
        return and_(_item.dataset == self._back, or_(is_deleted, and_(is_other, not_(self._is_only_touched(keep)))))

    def _is_only_touched(self, keep: Collection[str]) -> ColumnElement[bool]:
        """Whether an item is a folder that is on both sides, and differs in nothing that is kept but its time."""
        then = tables.item.alias("then")
        rules: list[ColumnElement[bool]] = []
        if "mode" in keep:
            rules.append(then.c.mode == _item.mode)
        if "owner" in keep:
            rules += [then.c.uid == _item.uid, then.c.gid == _item.gid]
        if not {"xattrs", "acls"}.isdisjoint(keep):
            rules.append(then.c.xattrs.is_not_distinct_from(_item.xattrs))
        was_folder = and_(then.c.dataset == self._forward, then.c.path == _item.path, then.c.kind == _FOLDER, *rules)
        is_folder = and_(_item.kind == _FOLDER, _item.target_kind == _FOLDER, _item.state == Class.PENDING.value)
        return and_(is_folder, exists().where(was_folder))

    def _any(self, condition: ColumnElement[bool]) -> bool:
        with self._database.read() as connection:
            return connection.execute(select(_item.path).where(condition).limit(1)).first() is not None


class Digester:
    """The digest of a list of changes, which an approval of their loss is bound to."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256(b"migrator changes at the target 1\n")

    def take(self, dataset: str, changes: Sequence[Change]) -> None:
        """Add changes, in order: datasets by the plan, items by path. Each is a line of JSON."""
        for each in changes:
            link = None if each.link is None else each.link.hex()
            line = [dataset, each.path.hex(), each.kind.value, each.what, each.size, each.mtime_ns, link]
            self._digest.update(json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def text(self) -> str:
        """Hexadecimal SHA-256 of what was taken."""
        return self._digest.hexdigest()


def _change_of(row: Sequence[Any]) -> Change:
    path, kind, target_kind, size, mtime_ns, link, state, reason, is_gone = row
    if is_gone:
        return Change(path, Kind(target_kind), "deleted", 0, 0, None, None)
    if state == Class.FAILED.value:
        return Change(path, Kind(kind), "unknown", 0, 0, None, reason)
    return Change(path, Kind(kind), "created" if target_kind is None else "changed", size, mtime_ns, link, None)
