"""What a dataset consists of: the source as the last pass saw it, and how far each item is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, literal_column, or_, select

from migrator.domain.entries import Class, Entry, Kind
from migrator.domain.reports import Tally
from migrator.journal import tables, verifications
from migrator.journal.database import Database
from migrator.journal.items import (
    ENTRY,
    ENTRY_AT_TARGET,
    ToVerify,
    blocks,
    blocks_backwards,
    entry_of,
    facts_of,
    tally,
    unverified,
)
from migrator.journal.large import LargeFiles
from migrator.journal.linked import LinkedFiles
from migrator.journal.scan import Scan, ScanRecord
from migrator.journal.sealing import copy_seal_of, is_copy_sealed, is_sealed
from migrator.journal.sequence import next_seq
from migrator.journal.staging import parent_of
from migrator.journal.target_look import TargetLook
from migrator.journal.verifications import Standing

__all__ = ["Copied", "Manifest", "Scan", "ScanRecord", "Standing", "ToVerify"]

_item = tables.item.c

# How many paths one question about paths may carry (SQLite allows 999 parameters at least).
_QUESTION = 900

_COPIED = f"""
    INSERT INTO item (
        dataset, path, kind, size, mtime_ns, mode, uid, gid, link, ctime_ns, inode, links, device, allocated,
        xattrs, sha256, trust, copied_seq, target_kind, state, copy_seal
    ) VALUES (
        ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, 'acknowledged',
        {copy_seal_of(dataset="?1", path="?2", size="?4", mtime_ns="?5", sha256="?16", copied_seq="?18")}
    )
    ON CONFLICT (dataset, path) DO UPDATE SET
        kind = excluded.kind, size = excluded.size, mtime_ns = excluded.mtime_ns, mode = excluded.mode,
        uid = excluded.uid, gid = excluded.gid, link = excluded.link, ctime_ns = excluded.ctime_ns,
        inode = excluded.inode, links = excluded.links, device = excluded.device, allocated = excluded.allocated,
        xattrs = excluded.xattrs, sha256 = excluded.sha256, trust = excluded.trust,
        copied_seq = excluded.copied_seq, target_kind = excluded.target_kind, state = excluded.state,
        copy_seal = excluded.copy_seal,
        reason = NULL, verified_seq = NULL, verified_by = NULL, is_gone = 0, tries = 0
"""  # noqa: S608 - put together from what stands above alone

_FAILED = """
    UPDATE item SET state = 'failed', reason = ?, verified_seq = NULL, verified_by = NULL
    WHERE dataset = ? AND path = ?
"""

_VANISHED = """
    UPDATE item SET state = 'vanished', reason = ?, verified_seq = NULL, verified_by = NULL
    WHERE dataset = ? AND path = ?
"""

_POSTPONED = """
    UPDATE item SET state = 'pending', reason = ?, verified_seq = NULL, verified_by = NULL, tries = tries + 1
    WHERE dataset = ? AND path = ?
"""

_TOUCHED = """
    UPDATE item SET state = 'pending', reason = 'its content changed', verified_seq = NULL, verified_by = NULL
    WHERE dataset = ? AND path = ? AND state IN ('acknowledged', 'verified')
"""

_INTENDED = "UPDATE item SET target_kind = kind WHERE dataset = ? AND path = ? AND target_kind IS NULL AND is_gone = 0"

_DISTRUSTED = """
    UPDATE item SET state = 'pending', reason = 'the plan changed', verified_seq = NULL, verified_by = NULL
    WHERE dataset = ? AND state IN ('acknowledged', 'verified', 'failed')
"""

_REMOVED = "DELETE FROM item WHERE dataset = ? AND path = ? AND is_gone = 1"

# What was copied may be newer than what the scan has told, and with it the fingerprint of its folder.
_NEWER_THAN_SCANNED = """
    UPDATE item SET fingerprint = NULL
    WHERE dataset = :dataset AND path = :folder AND fingerprint IS NOT NULL AND EXISTS (
        SELECT 1 FROM item AS known WHERE known.dataset = :dataset AND known.path = :path AND (
            known.size <> :size OR known.mtime_ns <> :mtime_ns OR known.ctime_ns IS NOT :ctime_ns
            OR known.inode IS NOT :inode OR known.mode <> :mode OR known.uid <> :uid OR known.gid <> :gid
        )
    )
"""

# Folders in which something is not, or may not be, at the target as it is recorded are to be told by name.
_KNOWN_FOLDERS = """
    SELECT fingerprint FROM item WHERE dataset = :dataset AND fingerprint IS NOT NULL AND is_gone = 0
        AND path NOT IN (
            SELECT parent(path) FROM item
            WHERE dataset = :dataset AND path <> x''
                AND (is_gone = 1 OR state NOT IN ('acknowledged', 'verified', 'excluded'))
        )
    ORDER BY fingerprint
"""

_NO_FOLDER_IS_KNOWN = "UPDATE item SET fingerprint = NULL WHERE dataset = ? AND fingerprint IS NOT NULL"

_NO_LONGER_LARGE = "DELETE FROM large_file WHERE dataset = ? AND path = ?"

_CLEARED = "UPDATE item SET target_kind = NULL WHERE dataset = ? AND path = ? AND target_kind <> kind"


class Copied(NamedTuple):
    """One item that is durable at the target."""

    entry: Entry  # as it was found after its last byte was read
    sha256: bytes | None  # files only
    trust: str  # how strong the check of the digest was: "stream"


class Manifest:
    """The items of one dataset. Every method that writes is one transaction, durable when it returns."""

    def __init__(self, database: Database, dataset_id: int, dataset: str) -> None:
        self.dataset = dataset
        self._database = database
        self._id = dataset_id

    @property
    def large(self) -> LargeFiles:
        """The files that go in chunks."""
        return LargeFiles(self._database, self._id)

    @property
    def linked(self) -> LinkedFiles:
        """Its files that have several names."""
        return LinkedFiles(self._database, self._id)

    def begin_scan(self) -> Scan:
        """A pass: the source as it is now becomes the manifest."""
        return Scan.begin(self._database, self._id, "pass")

    def begin_guard(self) -> Scan:
        """A scan that is only compared; the manifest stays as it is."""
        return Scan.begin(self._database, self._id, "guard")

    def copied(self, rows: Sequence[Copied]) -> int:
        """Record items as acknowledged, with the facts they were found with; the seq they got."""
        with self._database.write() as connection:
            seq = next_seq(connection)
            values = [
                (self._id, *facts_of(row.entry), row.sha256, row.trust, seq, row.entry.kind.value) for row in rows
            ]
            _execute(connection, _NEWER_THAN_SCANNED, [self._copy_of(row.entry) for row in rows])
            _execute(connection, _COPIED, values)
        return seq

    def verified(
        self,
        paths: Sequence[tuple[bytes, bytes | None]],
        by: str,
        stood: Mapping[bytes, Standing] | None = None,
    ) -> int:
        """Record items, each with its digest or None, as verified; what changed since it was copied stays as it is."""
        with self._database.write() as connection:
            seq = next_seq(connection)
            verifications.record(connection, self._id, seq, by, paths, stood or {})
            # The digest of the whole stands for those of the chunks from now on.
            _execute(connection, _NO_LONGER_LARGE, [(self._id, path) for path, sha256 in paths if sha256])
        return seq

    def trusted(self, found: Sequence[Entry], since_seq: int, how: str) -> tuple[int, list[Entry]]:
        """Of files as they stand at the target, those whose verification before `since_seq` still counts; its new seq.

        They stand as they did when their bytes were read, and the source has not changed since they were copied. They
        are recorded as verified now, `how` behind the means.
        """
        with self._database.write() as connection:
            seq = next_seq(connection)
            return seq, verifications.renew(connection, self._id, seq, found, since_seq, how)

    def failed(self, rows: Sequence[tuple[bytes, str]]) -> int:
        """Record items that could not be copied or verified, each with the reason."""
        return self._move(_FAILED, rows)

    def vanished(self, rows: Sequence[tuple[bytes, str]]) -> int:
        """Record items that were gone before they could be read."""
        return self._move(_VANISHED, rows)

    def postponed(self, rows: Sequence[tuple[bytes, str]]) -> int:
        """Leave hot items to a later pass, and count one more try of each."""
        return self._move(_POSTPONED, rows)

    def tries(self, paths: Sequence[bytes]) -> dict[bytes, int]:
        """How often each item was postponed since it was last copied."""
        return dict(self._about(paths, select(_item.path, _item.tries)))

    def touched(self, directories: Iterable[bytes]) -> None:
        """Make folders pending again, before something in them is changed at the target."""
        with self._database.write() as connection:
            _execute(connection, _TOUCHED, [(self._id, path) for path in directories])

    def intended(self, paths: Iterable[bytes]) -> None:
        """Before they are made at the target: a run that is cut off may leave them there without a record of it."""
        with self._database.write() as connection:
            _execute(connection, _INTENDED, [(self._id, path) for path in paths])

    def pending(self, kinds: Collection[Kind]) -> Iterator[list[Entry]]:
        """What is still to be carried, in blocks, by path; items may be recorded while the blocks are used."""
        wanted = self._standing(Class.PENDING).where(_item.kind.in_([kind.value for kind in kinds]))
        return blocks(self._database, wanted, entry_of)

    def pending_directories(self) -> Iterator[list[Entry]]:
        """Folders that still wait for their owner, mode and times, the deepest first."""
        return blocks_backwards(self._database, self._standing(Class.PENDING).where(_item.kind == Kind.DIRECTORY.value))

    def gone(self) -> Iterator[list[Entry]]:
        """What stands at the target by our hand and was missed by a complete scan, the deepest first.

        The kind is the one at the target. Nothing is gone unless the latest pass over the dataset was complete.
        """
        if self._listing_is_complete():
            yield from blocks_backwards(self._database, self._few(tables.IS_GONE, *ENTRY_AT_TARGET))

    def gone_count(self) -> int:
        """How many items `gone` would bring."""
        return self._count(self._few(tables.IS_GONE, func.count())) if self._listing_is_complete() else 0

    def at_target_count(self) -> int:
        """How many items stand at the target by our hand, gone ones included."""
        return self._count(self._rows(func.count()).where(_item.target_kind.is_not(None)))

    def facts(self, paths: Sequence[bytes]) -> list[Entry]:
        """What the manifest says of those of the paths that are still to be carried."""
        query = select(*ENTRY).where(_item.is_gone == 0, _item.state == Class.PENDING.value)
        return [entry_of(row) for row in self._about(paths, query)]

    def was_copied(self, path: bytes) -> bool:
        """Whether a file of ours stands at the target, of whatever version."""
        query = self._rows(func.count()).where(_item.path == path, _item.copied_seq.is_not(None))
        return bool(self._count(query.where(_item.target_kind == Kind.FILE.value, _item.kind == Kind.FILE.value)))

    def distrust(self) -> None:
        """What was copied was copied under another plan: everything is to be carried again, over what is there."""
        with self._database.write() as connection:
            connection.exec_driver_sql(_DISTRUSTED, (self._id,))
            connection.exec_driver_sql(_NO_FOLDER_IS_KNOWN, (self._id,))

    def forget(self) -> None:
        """The dataset goes to another place: nothing of it stands there yet."""
        with self._database.write() as connection:
            connection.exec_driver_sql("DELETE FROM item WHERE dataset = ?", (self._id,))
            connection.exec_driver_sql("DELETE FROM foreign_entry WHERE dataset = ?", (self._id,))

    def fingerprints(self) -> list[bytes]:
        """Of folders that need not be listed again where they still have it, in ascending order.

        Everything directly in them is at the target, or excluded, as it was when the fingerprint was taken.
        """
        with self._database.read() as connection:
            rows = connection.exec_driver_sql(_KNOWN_FOLDERS, {"dataset": self._id})
            return [bytes(fingerprint) for (fingerprint,) in rows]

    def replaced(self) -> Iterator[list[Entry]]:
        """What stands at the target as another kind than the source has now: with the old kind, the deepest first."""
        changed = self._few(tables.IS_REPLACED, *ENTRY_AT_TARGET)
        left_out = [Class.EXCLUDED.value, Class.WAIVED.value]
        wanted = changed.where(_item.is_gone == 0, _item.state.not_in(left_out))
        return blocks_backwards(self._database, wanted)

    def at_target(self) -> Iterator[list[Entry]]:
        """Everything that stands at the target by our hand, the deepest first."""
        ours = self._rows(*ENTRY_AT_TARGET).where(_item.target_kind.is_not(None))
        return blocks_backwards(self._database, ours)

    def removed(self, paths: Sequence[bytes]) -> None:
        """Forget what was removed from the target: gone items for good, replaced ones until they are carried anew."""
        with self._database.write() as connection:
            _execute(connection, _CLEARED, [(self._id, path) for path in paths])
            _execute(connection, _REMOVED, [(self._id, path) for path in paths])

    def to_verify(self, since_seq: int, kinds: Collection[Kind] = tuple(Kind)) -> Iterator[list[ToVerify]]:
        """What is at the target and was not verified after `since_seq`, in blocks, by path; see `unverified`."""
        digest = case((is_copy_sealed(), _item.sha256))
        wanted = select(*ENTRY, digest, _item.copied_seq).where(unverified(self._id, since_seq))
        if len(kinds) < len(Kind):
            wanted = wanted.where(_item.kind.in_([kind.value for kind in kinds]))
        return blocks(self._database, wanted, lambda row: ToVerify(entry_of(row), row[-2], row[-1]))

    def look_at_target(self) -> TargetLook:
        """A look at all that stands at the target, begun anew."""
        return TargetLook.begin(self._database, self._id)

    def foreign(self, paths: Sequence[bytes]) -> None:
        """Replace the list of entries that exist only at the target."""
        with self._database.write() as connection:
            connection.exec_driver_sql("DELETE FROM foreign_entry WHERE dataset = ?", (self._id,))
            add = "INSERT OR IGNORE INTO foreign_entry (dataset, path) VALUES (?, ?)"
            _execute(connection, add, [(self._id, path) for path in paths])

    def knows(self, paths: Sequence[bytes]) -> frozenset[bytes]:
        """Which of the paths are at the target by our hand, or are meant to be there."""
        meant = _item.state.in_([Class.PENDING.value, Class.FAILED.value])
        query = select(_item.path).where(or_(_item.target_kind.is_not(None), meant))
        return frozenset(path for (path,) in self._about(paths, query))

    def unproven(self, freeze_seq: int, limit: int = 100) -> list[tuple[bytes, str]]:
        """The first items that were not verified after both the freeze and their last copy, each with the reason."""
        is_proven = and_(
            _item.state == Class.VERIFIED.value,
            _item.verified_seq > freeze_seq,
            _item.verified_seq > func.coalesce(_item.copied_seq, 0),
            is_sealed(),
        )
        why = case(
            (and_(_item.state == Class.VERIFIED.value, ~is_sealed()), "its record is not what was written when it was"),
            (_item.state == Class.VERIFIED.value, "verified before the freeze, not since"),
            (_item.state == Class.ACKNOWLEDGED.value, "copied, not verified since"),
            else_=_item.state + ": " + func.coalesce(_item.reason, "no reason recorded"),
        )
        left_out = [Class.EXCLUDED.value, Class.WAIVED.value, Class.VANISHED.value]
        query = self._rows(_item.path, why).where(_item.is_gone == 0, _item.state.not_in(left_out), ~is_proven)
        with self._database.read() as connection:
            return [(path, reason) for path, reason in connection.execute(query.order_by(_item.path).limit(limit))]

    def last_scan(self) -> ScanRecord | None:
        """How the last pass that came to its end went; None before the first."""
        with self._database.read() as connection:
            row = connection.execute(self._passes().where(tables.scan.c.seq.is_not(None)).limit(1)).first()
        if row is None:
            return None
        return ScanRecord(row.seq, bool(row.is_complete), row.items, row.size_bytes, row.ended_at, row.begun_seq)

    def tally(self) -> Tally:
        """How many items stand where."""
        with self._database.read() as connection:
            return tally(connection, self._id)

    def _listing_is_complete(self) -> bool:
        with self._database.read() as connection:
            row = connection.execute(self._passes().limit(1)).first()
        return row is not None and bool(row.is_complete)

    def _passes(self) -> Select[Any]:
        scan = tables.scan.c
        passes = select(tables.scan).where(scan.dataset == self._id, scan.purpose == "pass")
        return passes.order_by(scan.id.desc())

    def _rows(self, *columns: Any) -> Select[Any]:
        return select(*columns).where(_item.dataset == self._id)

    def _few(self, condition: ColumnElement[bool], *columns: Any) -> Select[Any]:
        """Rows that an index of `condition` alone finds; the sum keeps SQLite from searching the dataset instead."""
        return select(*columns).where(condition, _item.dataset + literal_column("0") == self._id)

    def _standing(self, state: Class) -> Select[Any]:
        return self._rows(*ENTRY).where(_item.is_gone == 0, _item.state == state.value)

    def _count(self, query: Select[Any]) -> int:
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def _copy_of(self, entry: Entry) -> dict[str, Any]:
        facts = entry._asdict()
        return {"dataset": self._id, "folder": parent_of(entry.path), **facts}

    def _move(self, statement: str, rows: Sequence[tuple[bytes, str]]) -> int:
        with self._database.write() as connection:
            _execute(connection, statement, [(reason, self._id, path) for path, reason in rows])
            return next_seq(connection)

    def _about(self, paths: Sequence[bytes], query: Select[Any]) -> Iterator[Any]:
        for first in range(0, len(paths), _QUESTION):
            wanted = query.where(_item.dataset == self._id, _item.path.in_(paths[first : first + _QUESTION]))
            with self._database.read() as connection:
                rows = connection.execute(wanted).all()
            yield from rows


def _execute(
    connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]] | Sequence[dict[str, Any]]
) -> None:
    if rows:  # without rows the driver would run the statement once, without its values
        connection.exec_driver_sql(statement, rows)
