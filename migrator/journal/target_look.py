"""What a scan of the target saw, beside the manifest: in temporary tables, so that a tree of any size fits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from sqlalchemy import Column, Connection, Integer, LargeBinary, MetaData, Table, and_, exists, or_, select

from migrator.domain.entries import Class, Entry, Kind
from migrator.journal import tables
from migrator.journal.database import Database
from migrator.journal.items import ENTRY, blocks, entry_of, facts_of, unverified

_temporary = MetaData()
_listed = Table(
    "listed", _temporary, Column("path", LargeBinary, primary_key=True), prefixes=["TEMP"], sqlite_with_rowid=False
)
_standing = Table(
    "standing_at_target",
    _temporary,
    Column("dataset", Integer, primary_key=True),
    *(Column(column.name, column.type, primary_key=column.name == "path") for column in ENTRY),
    prefixes=["TEMP"],
    sqlite_with_rowid=False,
)
_item = tables.item.c
_LIST = "INSERT OR IGNORE INTO temp.listed (path) VALUES (?)"
_NAMES = [column.name for column in ENTRY]


class ToCompare(NamedTuple):
    """A folder or link of the manifest, and what stands in its place."""

    entry: Entry
    found: Entry | None


def prepare(connection: Connection) -> None:
    """Make the temporary tables; once for a connection."""
    _temporary.create_all(connection, checkfirst=False)


class TargetLook:
    """One look at a target; a later one of the same dataset takes its place."""

    def __init__(self, database: Database, dataset_id: int) -> None:
        self._database = database
        self._id = dataset_id

    @classmethod
    def begin(cls, database: Database, dataset_id: int) -> Self:
        """A look that has seen nothing yet."""
        look = cls(database, dataset_id)
        look.forget()
        return look

    def note(self, entries: Sequence[Entry]) -> list[bytes]:
        """Take in a block of a scan; the paths of what is neither there by our hand nor meant to be."""
        if not entries:
            return []
        meant = _item.state.in_([Class.PENDING.value, Class.FAILED.value])
        is_here = and_(_item.dataset == self._id, _item.path == _listed.c.path)
        is_ours = exists().where(is_here, or_(_item.target_kind.is_not(None), meant))
        strangers = select(_listed.c.path).where(~is_ours).order_by(_listed.c.path)
        kept = [each for each in entries if each.kind is not Kind.FILE]
        with self._database.write() as connection:
            connection.execute(_listed.delete())
            connection.exec_driver_sql(_LIST, [(each.path,) for each in entries])
            if kept:
                rows = [dict(zip(_NAMES, facts_of(each), strict=True), dataset=self._id) for each in kept]
                connection.execute(_standing.insert().prefix_with("OR REPLACE"), rows)
            return list(connection.execute(strangers).scalars())

    def to_compare(self, since_seq: int) -> Iterator[list[ToCompare]]:
        """Folders and links that are not verified after `since_seq`, in blocks, by path; right after the whole scan."""
        is_same = and_(_standing.c.dataset == _item.dataset, _standing.c.path == _item.path)
        both = tables.item.outerjoin(_standing, is_same)
        wanted = select(*ENTRY, *(_standing.c[name] for name in _NAMES)).select_from(both)
        wanted = wanted.where(unverified(self._id, since_seq), _item.kind != Kind.FILE.value)
        count = len(_NAMES)

        def pair(row: Sequence[object]) -> ToCompare:
            return ToCompare(entry_of(row), None if row[count] is None else entry_of(row[count:]))

        return blocks(self._database, wanted, pair)

    def forget(self) -> None:
        """Free the room that it takes."""
        with self._database.write() as connection:
            connection.execute(_standing.delete().where(_standing.c.dataset == self._id))
