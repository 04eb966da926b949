"""Files of the manifest that have several names: which name goes first, which follow, and where that came out wrong.

Names are one file when the source showed them with one device and inode. A name *stands* when it is at the target and
what was copied under it is no older than what was seen under the other one: then that may be linked to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from migrator.domain.entries import Entry
from migrator.journal.database import Database
from migrator.journal.items import BLOCK, ENTRY, entry_of
from migrator.journal.sealing import copy_seal_of

# In the words of the index `item_linked`, which answers each of these at once; `other` is another name of `item`.
_OTHER = """
    FROM item AS other INDEXED BY item_linked
    WHERE other.links > 1 AND other.kind = 'file' AND other.is_gone = 0 AND other.dataset = item.dataset
        AND other.device = item.device AND other.inode = item.inode AND other.state
"""
_STANDING = "AND other.target_kind = 'file' AND other.ctime_ns >= item.ctime_ns ORDER BY other.path LIMIT 1"
_STANDS = f"""
    coalesce(
        (SELECT other.path {_OTHER} = 'verified' {_STANDING}), (SELECT other.path {_OTHER} = 'acknowledged' {_STANDING})
    )
"""
_FAILED = f"(SELECT other.path {_OTHER} = 'failed' ORDER BY other.path LIMIT 1)"
_EARLIER = f"(SELECT other.path {_OTHER} = 'pending' AND other.path < item.path LIMIT 1)"

_PENDING = """
    FROM item INDEXED BY item_linked
    WHERE item.links > 1 AND item.kind = 'file' AND item.dataset = ? AND item.is_gone = 0 AND item.state = 'pending'
        AND (item.device, item.inode, item.path) > (?, ?, ?)
"""
_NEXT = "ORDER BY item.device, item.inode, item.path LIMIT ?"
_FACTS = ", ".join(f"{{0}}.{column.name}" for column in ENTRY)

_LEADERS = f"""
    SELECT item.device, item.inode, item.path, {_FACTS.format("item")} {_PENDING}
        AND {_EARLIER} IS NULL AND {_FAILED} IS NULL AND {_STANDS} IS NULL {_NEXT}
"""
_OF_FIRST = {name: f"first.{name}" for name in ("dataset", "path", "size", "mtime_ns", "sha256", "copied_seq")}
_FOLLOWERS = f"""
    SELECT found.device, found.inode, found.path, {_FACTS.format("first")},
        iif(first.copy_seal IS {copy_seal_of(**_OF_FIRST)}, first.sha256, NULL), first.path
    FROM (SELECT item.dataset, item.device, item.inode, item.path, {_STANDS} AS first_path {_PENDING}) found
        JOIN item AS first ON first.dataset = found.dataset AND first.path = found.first_path
    {_NEXT.replace("item.", "found.")}
"""  # noqa: S608 - put together from what stands above alone
_ORPHANS = f"""
    SELECT item.device, item.inode, item.path, {_FAILED} AS failed_path {_PENDING}
        AND failed_path IS NOT NULL AND {_STANDS} IS NULL {_NEXT}
"""
_NAMES = """
    SELECT item.path FROM item INDEXED BY item_linked
    WHERE item.links > 1 AND item.kind = 'file' AND item.dataset = ? AND item.is_gone = 0 AND item.state = 'pending'
        AND item.device = ? AND item.inode = ? AND item.path > ? ORDER BY item.path LIMIT ?
"""

# Names that are one file at the source and not at the target; names that are one file at the target alone.
_FIND_SPLIT = """
    INSERT OR IGNORE INTO temp.link_fault (path, other, is_split) SELECT path, other, 1 FROM (
        SELECT
            item.path, target.device, target.inode, first_value(item.path) OVER names AS other,
            first_value(target.device) OVER names AS other_device, first_value(target.inode) OVER names AS other_inode
        FROM item INDEXED BY item_linked
            LEFT JOIN temp.target_link AS target ON target.dataset = item.dataset AND target.path = item.path
        WHERE item.links > 1 AND item.kind = 'file' AND item.dataset = ? AND item.is_gone = 0
            AND item.state IN ('acknowledged', 'verified')
        WINDOW names AS (PARTITION BY item.device, item.inode, item.ctime_ns ORDER BY item.path)
    ) WHERE path <> other AND ((device, inode) = (other_device, other_inode)) IS NOT TRUE
"""
_FIND_JOINED = """
    INSERT OR IGNORE INTO temp.link_fault (path, other, is_split) SELECT path, other, 0 FROM (
        SELECT
            item.path, item.device, item.inode, first_value(item.path) OVER names AS other,
            first_value(item.device) OVER names AS other_device, first_value(item.inode) OVER names AS other_inode
        FROM temp.target_link AS target JOIN item ON item.dataset = target.dataset AND item.path = target.path
        WHERE target.dataset = ? AND item.kind = 'file' AND item.is_gone = 0
            AND item.state IN ('acknowledged', 'verified')
        WINDOW names AS (PARTITION BY target.device, target.inode ORDER BY item.path)
    ) WHERE (device, inode) IS NOT (other_device, other_inode)
"""
_FAULTS = "SELECT path, other, is_split FROM temp.link_fault WHERE path > ? ORDER BY path LIMIT ?"

_BEFORE_ALL = (-(1 << 63), 0, b"")


class NextName(NamedTuple):
    """A name that may be linked to another one of its file, which stands at the target."""

    entry: Entry  # what was copied under the other name, with this one's path
    first: bytes  # the other name
    sha256: bytes | None


class LinkFault(NamedTuple):
    """A name whose file at the target is not the one it should be."""

    path: bytes
    other: bytes
    is_split: bool  # False: the two are one file at the target, and two at the source


class LinkedFiles:
    """The files with several names of one dataset. Names may be recorded while the blocks of a listing are used."""

    def __init__(self, database: Database, dataset_id: int) -> None:
        self._database = database
        self._id = dataset_id

    def leaders(self) -> Iterator[list[Entry]]:
        """Of each file of which names are pending, none stands and none has failed: the name to carry first."""
        for rows in self._blocks(_LEADERS):
            yield [entry_of(row[3:]) for row in rows]

    def followers(self) -> Iterator[list[NextName]]:
        """The pending names of files of which one stands."""
        for rows in self._blocks(_FOLLOWERS):
            yield [NextName(entry_of(row[3:])._replace(path=row[2]), row[-1], row[-2]) for row in rows]

    def orphans(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """The pending names of files of which none stands and one has failed; each with that one."""
        for rows in self._blocks(_ORPHANS):
            yield [(row[2], row[3]) for row in rows]

    def pending_names(self, of: Entry) -> Iterator[list[bytes]]:
        """The names of the file `of`, its own included, that are pending."""
        last = b""
        while True:
            with self._database.read() as connection:
                question = (self._id, of.device, of.inode, last, BLOCK)
                names = [path for (path,) in connection.exec_driver_sql(_NAMES, question)]
            if not names:
                return
            last = names[-1]
            yield names

    def begin_look(self) -> None:
        """Forget what was noted of the target."""
        with self._database.write() as connection:
            connection.exec_driver_sql("DELETE FROM temp.target_link WHERE dataset = ?", (self._id,))

    def note_target(self, entries: Sequence[Entry]) -> None:
        """Note entries of the target; only files with several names matter."""
        rows = [(self._id, each.path, each.device, each.inode) for each in entries]
        add = "INSERT OR REPLACE INTO temp.target_link (dataset, path, device, inode) VALUES (?, ?, ?, ?)"
        if rows:
            with self._database.write() as connection:
                connection.exec_driver_sql(add, rows)

    def faults(self) -> Iterator[list[LinkFault]]:
        """What does not fit together, by path, among the items in place and what was noted of the target."""
        with self._database.write() as connection:
            connection.exec_driver_sql("DELETE FROM temp.link_fault")
            connection.exec_driver_sql(_FIND_SPLIT, (self._id,))
            connection.exec_driver_sql(_FIND_JOINED, (self._id,))
        last = b""
        while True:
            with self._database.read() as connection:
                rows = connection.exec_driver_sql(_FAULTS, (last, BLOCK)).all()
            if not rows:
                return
            last = rows[-1][0]
            yield [LinkFault(path, other, bool(is_split)) for path, other, is_split in rows]

    def _blocks(self, query: str) -> Iterator[Sequence[Sequence[Any]]]:
        """The rows of `query` in the order of their first three columns: device, inode and path."""
        after: tuple[int, int, bytes] = _BEFORE_ALL
        while True:
            with self._database.read() as connection:
                rows = connection.exec_driver_sql(query, (self._id, *after, BLOCK)).all()
            if not rows:
                return
            after = (rows[-1][0], rows[-1][1], rows[-1][2])
            yield rows
