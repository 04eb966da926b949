"""Folders and links as a look around the target found them: kept on disk while a verification compares them."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.domain.entries import Entry
from migrator.journal.database import Database
from migrator.journal.items import entry_of, facts_of

_COLUMNS = "path, kind, size, mtime_ns, mode, uid, gid, link, ctime_ns, inode, links, device, allocated, xattrs"
_ADD = f"INSERT OR REPLACE INTO temp.looked_at (dataset, {_COLUMNS}) VALUES (?{', ?' * 14})"  # noqa: S608 - no words of others
_FIND = f"SELECT {_COLUMNS} FROM temp.looked_at WHERE dataset = ? AND path BETWEEN ? AND ?"  # noqa: S608 - as above


class Look:
    """What stands at the target of one dataset, as far as it was noted since `begin`."""

    def __init__(self, database: Database, dataset_id: int) -> None:
        self._database = database
        self._id = dataset_id

    def begin(self) -> None:
        """Forget what was noted before."""
        with self._database.write() as connection:
            connection.exec_driver_sql("DELETE FROM temp.looked_at WHERE dataset = ?", (self._id,))

    def note(self, entries: Sequence[Entry]) -> None:
        """Note entries that were seen."""
        if entries:
            with self._database.write() as connection:
                connection.exec_driver_sql(_ADD, [(self._id, *facts_of(entry)) for entry in entries])

    def among(self, paths: Sequence[bytes]) -> dict[bytes, Entry]:
        """What was noted of these, which are in path order, and perhaps of others between them."""
        if not paths:
            return {}
        with self._database.read() as connection:
            rows = connection.exec_driver_sql(_FIND, (self._id, paths[0], paths[-1])).all()
        return {row[0]: entry_of(row) for row in rows}
