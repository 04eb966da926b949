"""The state folder, read with sqlite3 alone, from a copy: what is looked at is not changed by looking."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]

_NOT_ROWS = "sqlite_"


@dataclass(frozen=True)
class Database:
    """The rows of one file, by table, as a process that opens it after a crash would find them."""

    tables: dict[str, list[Row]] = field(default_factory=dict)
    application_id: int = 0
    version: int = 0
    faults: tuple[str, ...] = ()  # what SQLite itself has to say against it

    def rows(self, table: str) -> list[Row]:
        """All of them; none when the database was not made yet."""
        return self.tables.get(table, [])

    def fact(self, name: str) -> str | None:
        """A value from the table of that name."""
        return next((row["value"] for row in self.rows("fact") if row["name"] == name), None)


def read(path: Path) -> Database:
    """The database at `path`; one without tables where there is none."""
    if not path.exists():
        return Database()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        wal = Path(f"{path}-wal")
        if wal.exists():
            shutil.copyfile(wal, f"{copy}-wal")
        try:
            with contextlib.closing(sqlite3.connect(copy)) as connection:
                return _all_of(connection)
        except sqlite3.DatabaseError as error:
            return Database(faults=(str(error),))


def _all_of(connection: sqlite3.Connection) -> Database:
    connection.row_factory = sqlite3.Row
    faults = [str(row[0]) for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
    faults += [f"foreign key: {tuple(row)}" for row in connection.execute("PRAGMA foreign_key_check")]
    names = [str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return Database(
        {
            name: [dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')]
            for name in names
            if not name.startswith(_NOT_ROWS)
        },
        int(connection.execute("PRAGMA application_id").fetchone()[0]),
        int(connection.execute("PRAGMA user_version").fetchone()[0]),
        tuple(faults),
    )
