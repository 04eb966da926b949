"""Large files on their way in chunks: which version of the source is copied, where it grows, what of it is durable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import delete, func, select

from migrator.domain.entries import Class, Entry
from migrator.journal import tables
from migrator.journal.database import Database

_file = tables.large_file
_chunk = tables.chunk
_item = tables.item.c

_ADD = """
    INSERT OR REPLACE INTO chunk (dataset, path, number, digest, seal) VALUES (?1, ?2, ?3, ?4, seal(?1, ?2, ?3, ?4))
"""
_DROP = "DELETE FROM chunk WHERE dataset = ? AND path = ? AND number = ?"


_DROP_FILE = "DELETE FROM large_file WHERE dataset = ? AND path = ?"
_SHARE_FILE = """
    INSERT INTO large_file (dataset, path, temp_name, size, mtime_ns, ctime_ns, inode)
    SELECT dataset, ?, temp_name, size, mtime_ns, ctime_ns, inode FROM large_file WHERE dataset = ? AND path = ?
"""
_SHARE_CHUNKS = """
    INSERT INTO chunk (dataset, path, number, digest, seal)
    SELECT dataset, ?1, number, digest, seal(dataset, ?1, number, digest) FROM chunk
    WHERE dataset = ?2 AND path = ?3 AND seal IS seal(dataset, path, number, digest)
"""


class Growing(NamedTuple):
    """A large file as it was when its copy began."""

    temp_name: bytes
    size: int
    mtime_ns: int
    ctime_ns: int | None
    inode: int | None

    def is_of(self, entry: Entry) -> bool:
        """Whether `entry` is still the version that is being copied."""
        return self[1:] == (entry.size, entry.mtime_ns, entry.ctime_ns, entry.inode)


class LargeFiles:
    """The large files of one dataset. Every method that writes is one transaction, durable when it returns."""

    def __init__(self, database: Database, dataset_id: int) -> None:
        self._database = database
        self._id = dataset_id

    def begin(self, entry: Entry, temp_name: bytes) -> None:
        """Before its temp file is made: this version is copied from now on, and nothing of it is there yet."""
        row = {"dataset": self._id, "path": entry.path, "temp_name": temp_name, "size": entry.size}
        row |= {"mtime_ns": entry.mtime_ns, "ctime_ns": entry.ctime_ns, "inode": entry.inode}
        with self._database.write() as connection:
            connection.execute(delete(_file).where(_file.c.dataset == self._id, _file.c.path == entry.path))
            connection.execute(_file.insert().values(row))

    def growing(self, path: bytes) -> Growing | None:
        """What was begun at `path`; None when nothing was."""
        query = select(_file.c.temp_name, _file.c.size, _file.c.mtime_ns, _file.c.ctime_ns, _file.c.inode)
        with self._database.read() as connection:
            row = connection.execute(query.where(_file.c.dataset == self._id, _file.c.path == path)).first()
        return None if row is None else Growing(*row)

    def add(self, path: bytes, chunks: Iterable[tuple[int, bytes]]) -> None:
        """Record chunks, by number, that are durable in the temp file, each with its digest."""
        with self._database.write() as connection:
            connection.exec_driver_sql(_ADD, [(self._id, path, number, digest) for number, digest in chunks])

    def lose(self, path: bytes, numbers: Sequence[int]) -> None:
        """Forget chunks that turned out not to be there."""
        if numbers:
            with self._database.write() as connection:
                connection.exec_driver_sql(_DROP, [(self._id, path, number) for number in numbers])

    def chunks(self, path: bytes) -> dict[int, bytes]:
        """The digest of each recorded chunk, by its number; a hole has none, nor has a chunk whose seal is broken."""
        sealed = func.seal(_chunk.c.dataset, _chunk.c.path, _chunk.c.number, _chunk.c.digest)
        query = select(_chunk.c.number, _chunk.c.digest).where(_chunk.c.dataset == self._id, _chunk.c.path == path)
        query = query.where(_chunk.c.seal.is_not_distinct_from(sealed))
        with self._database.read() as connection:
            return {row.number: row.digest for row in connection.execute(query)}

    def share(self, path: bytes, names: Iterable[bytes]) -> None:
        """Other names of the file at `path` are proven by the same chunks."""
        with self._database.write() as connection:
            for name in names:
                for statement in (_DROP_FILE, _SHARE_FILE, _SHARE_CHUNKS):
                    values = (self._id, name) if statement is _DROP_FILE else (name, self._id, path)
                    connection.exec_driver_sql(statement, values)

    def forget(self, path: bytes) -> None:
        """Forget a file and its chunks."""
        with self._database.write() as connection:
            connection.execute(delete(_file).where(_file.c.dataset == self._id, _file.c.path == path))

    def temp_names(self) -> frozenset[bytes]:
        """The temp names under which files go on growing: those that still wait to be carried."""
        waits = (_item.dataset == self._id) & (_item.path == _file.c.path) & (_item.state == Class.PENDING.value)
        query = select(_file.c.temp_name).join(tables.item, waits).where(_file.c.dataset == self._id)
        with self._database.read() as connection:
            return frozenset(connection.execute(query.where(_item.is_gone == 0)).scalars())
