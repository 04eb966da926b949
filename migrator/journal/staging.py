"""Where a scan's entries are compared with the manifest, set by set: temporary tables of the writing connection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from migrator.domain.entries import Entry, Unchanged, is_linked
from migrator.journal.items import facts_of

# `compared` is the one place that says what makes an entry differ. What a lane cannot see (None) does not count.
_STAGE = (
    """
    CREATE TEMP TABLE block (
        place INTEGER PRIMARY KEY, dataset INTEGER, reason TEXT, path BLOB, kind TEXT, size INTEGER, mtime_ns INTEGER,
        mode INTEGER, uid INTEGER, gid INTEGER, link BLOB, ctime_ns INTEGER, inode INTEGER, links INTEGER,
        device INTEGER, allocated INTEGER, xattrs BLOB
    )
    """,
    """
    CREATE TEMP TABLE seen (scan INTEGER, path BLOB, PRIMARY KEY (scan, path)) WITHOUT ROWID
    """,
    """
    CREATE TEMP TABLE unchanged (
        scan INTEGER, path BLOB, entries INTEGER, size INTEGER, PRIMARY KEY (scan, path)
    ) WITHOUT ROWID
    """,
    """
    CREATE TEMP TABLE unseen (path BLOB PRIMARY KEY) WITHOUT ROWID
    """,
    """
    CREATE TEMP TABLE difference (
        scan INTEGER, path BLOB, what TEXT, size INTEGER DEFAULT 0, PRIMARY KEY (scan, path)
    ) WITHOUT ROWID
    """,
    """
    CREATE TEMP TABLE target_link (
        dataset INTEGER, path BLOB, device INTEGER, inode INTEGER, PRIMARY KEY (dataset, path)
    ) WITHOUT ROWID
    """,
    """
    CREATE TEMP TABLE link_fault (path BLOB PRIMARY KEY, other BLOB, is_split INTEGER) WITHOUT ROWID
    """,
    """
    CREATE TEMP VIEW compared AS
    SELECT
        block.*, item.state, item.is_gone, item.reason AS known_reason,
        item.path IS NULL AS is_new,
        (item.kind <> block.kind OR item.size <> block.size OR item.mtime_ns <> block.mtime_ns
            OR item.mode <> block.mode OR item.uid <> block.uid OR item.gid <> block.gid OR item.link IS NOT block.link
            OR item.ctime_ns <> block.ctime_ns OR item.inode <> block.inode
            OR item.xattrs <> block.xattrs) IS TRUE AS is_changed
    FROM block LEFT JOIN item ON item.dataset = block.dataset AND item.path = block.path
    """,
)

_FILL = """
    INSERT INTO temp.block (
        place, dataset, reason, path, kind, size, mtime_ns, mode, uid, gid, link, ctime_ns, inode, links,
        device, allocated, xattrs
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

_SEE = "INSERT OR IGNORE INTO temp.seen (scan, path) SELECT ?, path FROM temp.block"

_TO_CARRY = """
    SELECT place FROM temp.compared
    WHERE is_new OR is_changed OR is_gone OR state IN ('pending', 'failed', 'vanished', 'excluded')
    ORDER BY place
"""

# The number of a file system may be another after each boot, which changes nothing but says which names are one file.
_FOLLOW_DEVICE = """
    UPDATE item SET device = block.device FROM temp.block
    WHERE item.dataset = block.dataset AND item.path = block.path AND item.inode = block.inode
        AND item.device <> block.device
"""

# An item that fails keeps its reason until it was tried again; what is pending already is not written again.
_TAKE_IN = """
    INSERT INTO item (
        dataset, path, kind, size, mtime_ns, mode, uid, gid, link, ctime_ns, inode, links, device, allocated,
        xattrs, state, reason
    )
    SELECT
        dataset, path, kind, size, mtime_ns, mode, uid, gid, link, ctime_ns, inode, links, device, allocated,
        xattrs, 'pending', 'not copied yet'
    FROM temp.compared
    WHERE is_new OR is_changed OR is_gone OR state IN ('failed', 'vanished', 'excluded')
    ON CONFLICT (dataset, path) DO UPDATE SET
        kind = excluded.kind, size = excluded.size, mtime_ns = excluded.mtime_ns, mode = excluded.mode,
        uid = excluded.uid, gid = excluded.gid, link = excluded.link, ctime_ns = excluded.ctime_ns,
        inode = excluded.inode, links = excluded.links, device = excluded.device, allocated = excluded.allocated,
        xattrs = excluded.xattrs, state = 'pending', sha256 = NULL, trust = NULL,
        verified_seq = NULL, verified_by = NULL, is_gone = 0,
        reason = CASE
            WHEN item.state IN ('failed', 'vanished') THEN item.reason
            WHEN item.target_kind IS NULL THEN excluded.reason
            ELSE 'changed at the source'
        END
"""

_SET_APART = """
    INSERT INTO item (
        dataset, path, kind, size, mtime_ns, mode, uid, gid, link, ctime_ns, inode, links, device, allocated,
        xattrs, state, reason
    )
    SELECT
        dataset, path, kind, size, mtime_ns, mode, uid, gid, link, ctime_ns, inode, links, device, allocated, xattrs,
        'excluded', reason
    FROM temp.compared
    WHERE is_new OR is_changed OR is_gone OR state <> 'excluded' OR known_reason IS NOT reason
    ON CONFLICT (dataset, path) DO UPDATE SET
        kind = excluded.kind, size = excluded.size, mtime_ns = excluded.mtime_ns, mode = excluded.mode,
        uid = excluded.uid, gid = excluded.gid, link = excluded.link, ctime_ns = excluded.ctime_ns,
        inode = excluded.inode, links = excluded.links, device = excluded.device, allocated = excluded.allocated,
        xattrs = excluded.xattrs, state = 'excluded', reason = excluded.reason, sha256 = NULL,
        trust = NULL, verified_seq = NULL, verified_by = NULL, is_gone = 0
"""

# A place that was never listed as an entry gets a row of its own, so that it is counted among the failed. Without
# `copied_seq` no verification can turn it round: its own facts may be right, what is in it is unknown.
_FAIL = """
    INSERT INTO item (dataset, path, kind, size, mtime_ns, mode, uid, gid, state, reason)
    VALUES (?, ?, 'directory', 0, 0, 0, 0, 0, 'failed', ?)
    ON CONFLICT (dataset, path) DO UPDATE SET
        state = 'failed', reason = excluded.reason, copied_seq = NULL, verified_seq = NULL, verified_by = NULL,
        is_gone = 0
"""

_FIND_DIFFERENCES = """
    INSERT OR REPLACE INTO temp.difference (scan, path, size, what)
    SELECT ?, path, size, CASE WHEN is_new OR is_gone OR state IN ('vanished', 'excluded') THEN 'new' ELSE 'changed' END
    FROM temp.compared
    WHERE is_new OR is_changed OR is_gone OR state IN ('vanished', 'excluded')
"""

# Rows that the scan came across neither by name nor as part of a folder that is unchanged.
_FIND_UNSEEN = """
    INSERT INTO temp.unseen (path)
    SELECT path FROM item
    WHERE dataset = :dataset AND (is_gone = 0 OR target_kind IS NULL)
        AND NOT EXISTS (SELECT 1 FROM temp.seen WHERE scan = :scan AND seen.path = item.path)
        AND NOT EXISTS (SELECT 1 FROM temp.unchanged WHERE scan = :scan AND unchanged.path = parent(item.path))
"""

_FIND_MISSING = """
    INSERT OR IGNORE INTO temp.difference (scan, path, what)
    SELECT ?, path, 'gone' FROM temp.unseen JOIN item USING (path)
    WHERE dataset = ? AND is_gone = 0 AND state NOT IN ('excluded', 'vanished')
"""

# What a pass would carry: what differs, and what is the same as before and was not carried then.
_TO_CARRY_LATER = """
    SELECT count(*), coalesce(sum(size), 0) FROM (
        SELECT size FROM temp.difference WHERE scan = ? AND what IN ('new', 'changed')
        UNION ALL
        SELECT size FROM item
        WHERE dataset = ? AND is_gone = 0 AND state IN ('pending', 'failed')
            AND NOT EXISTS (SELECT 1 FROM temp.difference WHERE difference.scan = ? AND difference.path = item.path)
    )
"""

# What a pass would find gone: what is missing now, and what was already and has not come back.
_TO_LOSE = """
    SELECT count(*) FROM item LEFT JOIN temp.difference ON difference.scan = ? AND difference.path = item.path
    WHERE item.dataset = ? AND item.target_kind IS NOT NULL
        AND (difference.what = 'gone' OR (item.is_gone = 1 AND difference.what IS NULL))
"""

_LOSE_UNSEEN = (
    """
    UPDATE item SET fingerprint = NULL
    WHERE dataset = ? AND fingerprint IS NOT NULL AND path IN (SELECT parent(path) FROM temp.unseen)
    """,
    "DELETE FROM item WHERE dataset = ? AND target_kind IS NULL AND path IN (SELECT path FROM temp.unseen)",
    "UPDATE item SET is_gone = 1 WHERE dataset = ? AND path IN (SELECT path FROM temp.unseen)",
)

_IS_ALL_SEEN = """
    SELECT
        (SELECT count(*) FROM item WHERE dataset = :dataset AND is_gone = 0)
        = (SELECT count(*) FROM temp.seen WHERE scan = :scan)
        + (SELECT coalesce(sum(entries), 0) FROM temp.unchanged WHERE scan = :scan)
    AND NOT EXISTS (SELECT 1 FROM temp.difference WHERE scan = :scan AND what = 'new')
"""

_COUNT_SEEN = """
    SELECT (SELECT count(*) FROM temp.seen WHERE scan = :scan) + coalesce(sum(entries), 0), coalesce(sum(size), 0)
    FROM temp.unchanged WHERE scan = :scan
"""

_PASSED_OVER_ANY = """
    SELECT EXISTS (
        SELECT 1 FROM item WHERE dataset = :dataset AND is_gone = 0 AND state <> 'excluded'
            AND EXISTS (SELECT 1 FROM temp.unchanged WHERE unchanged.scan = :scan AND path = parent(item.path))
    )
"""

_FORGET_FOLDER = "UPDATE item SET fingerprint = NULL WHERE dataset = ? AND path = ? AND fingerprint IS NOT NULL"

_REMEMBER_FOLDER = "UPDATE item SET fingerprint = ? WHERE dataset = ? AND path = ?"


def parent_of(path: bytes) -> bytes | None:
    """The folder that holds `path`; the root is in none."""
    return path.rpartition(b"/")[0] if path else None


def prepare(connection: Connection) -> None:
    """Make the temporary tables, and what their queries call; once for a connection."""
    raw = connection.connection.dbapi_connection
    assert raw is not None
    raw.create_function("parent", 1, parent_of, deterministic=True)
    for statement in _STAGE:
        connection.exec_driver_sql(statement)


class Stage:
    """One scan's part of the temporary tables. Every method belongs into the caller's transaction."""

    def __init__(self, connection: Connection, dataset: int, scan: int) -> None:
        self._connection = connection
        self._dataset = dataset
        self._scan = scan
        self._has_linked_files = False

    def fill(self, rows: Iterable[tuple[Entry, str | None]]) -> None:
        """Put the entries, each with a reason or None, in place of the block before, and remember them as seen."""
        rows = list(rows)
        staged = [(place, self._dataset, reason, *facts_of(entry)) for place, (entry, reason) in enumerate(rows)]
        self._has_linked_files = any(is_linked(entry) for entry, _ in rows)
        self._connection.exec_driver_sql("DELETE FROM temp.block")
        self._connection.exec_driver_sql(_FILL, staged)
        self._connection.exec_driver_sql(_SEE, (self._scan,))

    def forget_folders(self, entries: Sequence[Entry]) -> None:
        """Folders whose names come up are told anew: what was known of them before no longer counts."""
        folders = {parent_of(entry.path) for entry in entries} - {None}
        if folders:
            self._connection.exec_driver_sql(_FORGET_FOLDER, [(self._dataset, folder) for folder in folders])

    def forget_all_folders(self) -> None:
        """Have every folder told by name again."""
        forget = "UPDATE item SET fingerprint = NULL WHERE dataset = ? AND fingerprint IS NOT NULL"
        self._connection.exec_driver_sql(forget, (self._dataset,))

    def remember_folders(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep the fingerprints of folders all of whose names were taken in."""
        if rows:
            values = [(fingerprint, self._dataset, path) for path, fingerprint in rows]
            self._connection.exec_driver_sql(_REMEMBER_FOLDER, values)

    def pass_over(self, folders: Sequence[Unchanged]) -> None:
        """Remember all that is directly in the folders as seen."""
        note = "INSERT OR IGNORE INTO temp.unchanged (scan, path, entries, size) VALUES (?, ?, ?, ?)"
        self._connection.exec_driver_sql(note, [(self._scan, *folder) for folder in folders])

    def passed_over_any(self) -> bool:
        """Whether unchanged folders hold anything that is not excluded."""
        return bool(self._connection.exec_driver_sql(_PASSED_OVER_ANY, self._names).scalar_one())

    def take_in(self) -> list[int]:
        """Make the block the manifest's: everything new or different becomes pending; the places of all to carry."""
        if self._has_linked_files:
            self._connection.exec_driver_sql(_FOLLOW_DEVICE)
        places = [place for (place,) in self._connection.exec_driver_sql(_TO_CARRY)]
        if places:
            self._connection.exec_driver_sql(_TAKE_IN)
        return places

    def set_apart(self) -> None:
        """Record the block as excluded."""
        self._connection.exec_driver_sql(_SET_APART)

    def fail(self, rows: Sequence[tuple[bytes, str]]) -> None:
        """Record places whose content is unknown as failed, and as seen."""
        self._connection.exec_driver_sql(_FAIL, [(self._dataset, path, reason) for path, reason in rows])
        see = """
            INSERT OR IGNORE INTO temp.seen (scan, path)
            SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM temp.unchanged WHERE scan = ?1 AND path = parent(?2))
        """
        self._connection.exec_driver_sql(see, [(self._scan, path) for path, _ in rows])

    def compare(self) -> None:
        """Note where the block differs from the manifest."""
        self._connection.exec_driver_sql(_FIND_DIFFERENCES, (self._scan,))

    def differ(self, rows: Sequence[tuple[bytes, str]]) -> None:
        """Note differences found elsewhere."""
        note = "INSERT OR REPLACE INTO temp.difference (scan, path, what) VALUES (?, ?, ?)"
        self._connection.exec_driver_sql(note, [(self._scan, path, what) for path, what in rows])

    def miss(self) -> None:
        """Note what the manifest has and the scan has not seen; right only for a scan that saw everything."""
        if self._finds_unseen():
            self._connection.exec_driver_sql(_FIND_MISSING, (self._scan, self._dataset))

    def lose_unseen(self) -> None:
        """Mark what is at the target and was not seen as gone, and drop the rest; right only for a complete scan."""
        if self._finds_unseen():
            for statement in _LOSE_UNSEEN:
                self._connection.exec_driver_sql(statement, (self._dataset,))

    def seen(self) -> tuple[int, int]:
        """How many different paths the scan has seen, and the bytes of files that are in unchanged folders."""
        items, size_bytes = self._connection.exec_driver_sql(_COUNT_SEEN, self._names).one()
        return int(items), int(size_bytes)

    def differences(self, limit: int) -> list[tuple[bytes, str]]:
        """The first differences, in path order."""
        query = "SELECT path, what FROM temp.difference WHERE scan = ? ORDER BY path LIMIT ?"
        return [(path, what) for path, what in self._connection.exec_driver_sql(query, (self._scan, limit))]

    def delta(self) -> tuple[int, int, int]:
        """How many items and bytes a pass would carry, and how many items are gone."""
        carry = self._connection.exec_driver_sql(_TO_CARRY_LATER, (self._scan, self._dataset, self._scan)).one()
        lose = self._connection.exec_driver_sql(_TO_LOSE, (self._scan, self._dataset))
        return int(carry[0]), int(carry[1]), int(lose.scalar_one())

    def forget_seen(self) -> None:
        """Free the room that the scan's paths took."""
        self._connection.exec_driver_sql("DELETE FROM temp.seen WHERE scan = ?", (self._scan,))
        self._connection.exec_driver_sql("DELETE FROM temp.unchanged WHERE scan = ?", (self._scan,))

    def forget_differences(self) -> None:
        """Free the room that the scan's differences took."""
        self._connection.exec_driver_sql("DELETE FROM temp.difference WHERE scan = ?", (self._scan,))

    @property
    def _names(self) -> dict[str, int]:
        return {"scan": self._scan, "dataset": self._dataset}

    def _finds_unseen(self) -> bool:
        """Whether there are rows that the scan has not seen; they are listed then."""
        self._connection.exec_driver_sql("DELETE FROM temp.unseen")
        # Numbers that agree say it soonest.
        if self._connection.exec_driver_sql(_IS_ALL_SEEN, self._names).scalar_one():
            return False
        return self._connection.exec_driver_sql(_FIND_UNSEEN, self._names).rowcount > 0
