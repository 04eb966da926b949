"""Opening our SQLite files: only ours, only sound ones, always with the same settings, and every fault in words.

Source of the header fields and of WAL's rules: https://sqlite.org/fileformat.html, https://sqlite.org/wal.html.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from sqlalchemy import Connection, NullPool, create_engine, event

from migrator import failpoints
from migrator.errors import LocalFault
from migrator.journal.faults import foreign, newer, older, translated
from migrator.journal.folder import sync_directory, unreadable
from migrator.journal.tables import Lineage

_BUSY_SECONDS = 10.0

# What every connection is set to, and must answer when asked again.
_SETTINGS: dict[str, int | str] = {"foreign_keys": 1, "trusted_schema": 0, "cell_size_check": 1}
_WRITING: dict[str, int | str] = {"journal_mode": "wal", "synchronous": 2, **_SETTINGS}  # 2 is FULL
_READING: dict[str, int | str] = {"query_only": 1, **_SETTINGS}

# Where Alembic keeps the revision that a database is at, word for word as it makes the table.
_ALEMBIC_NOTE = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
    "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


class Database:
    """One open file of ours. A connection is used by one thread at a time: `write` and `read` see to that."""

    def __init__(self, path: Path, connection: Connection) -> None:
        self.path = path
        self._connection = connection
        self._turn = threading.RLock()

    @classmethod
    def open(cls, path: Path, lineage: Lineage) -> Database:
        """The file at `path` for writing, made or brought up to date where needed; the caller holds its lock.

        Raises LocalFault, and leaves the file as it is, when it is not ours, damaged, or newer than this version.
        """
        if not _exists(path):
            _make(path, lineage)
        version = _identify(path, lineage)
        with translated(path):
            connection = _connect(path, "mode=rw", _WRITING)
        if version < lineage.version:
            _upgrade(path, connection, lineage)
        return cls(path, connection)

    @classmethod
    def view(cls, path: Path, lineage: Lineage) -> Database | None:
        """The file at `path` for reading, also while another process writes it; None when there is none."""
        if not _exists(path):
            return None
        if _identify(path, lineage) < lineage.version:
            raise older(path)
        with translated(path):
            return cls(path, _connect(path, _reading_query(path), _READING))

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: durable when the block ends, undone when it raises. Waits while another thread has one."""
        with self.read() as connection:
            yield connection
            failpoints.at("before-commit")
        failpoints.at("after-commit")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent look. Waits while another thread has a transaction, so keep it short."""
        with self._turn, translated(self.path), self._connection.begin():
            yield self._connection

    def close(self) -> None:
        """Close the file; may be called twice."""
        with self._turn, translated(self.path):
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def copy_database(path: Path, to: Path) -> None:
    """Make `to` a copy of `path` as it stands at one moment, also while another process writes it."""
    with (
        translated(path),
        closing(sqlite3.connect(_uri(path, _reading_query(path)), uri=True, timeout=_BUSY_SECONDS)) as original,
        closing(sqlite3.connect(to)) as copy,
    ):
        original.backup(copy)


def _exists(path: Path) -> bool:
    """Whether a file stands there; LocalFault when something else does, or when we may not know."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        raise unreadable(path, error) from error
    if not stat.S_ISREG(mode):
        raise foreign(path)
    return True


def _identify(path: Path, lineage: Lineage) -> int:
    """The schema version of the file, which is not changed by looking; LocalFault when it is not one for us.

    Never by `open` and `read`: closing a descriptor of our own would drop the locks that SQLite holds on the same
    file in this process (fcntl(2), advisory record locking).
    """
    application_id, version = _numbers_at_rest(path) or _numbers(path)
    if application_id != lineage.application_id:
        raise foreign(path)
    if version > lineage.version:
        raise newer(path, version, lineage.version)
    return version


def _numbers_at_rest(path: Path) -> tuple[int, int] | None:
    """The numbers of a file that nobody is writing, without making any file beside it; None when somebody may be."""
    if os.path.lexists(f"{path}-wal"):
        return None  # the numbers may stand in there
    try:
        return _ask(path, "mode=ro&immutable=1")
    except sqlite3.DatabaseError:  # damaged, or a writer came just now: a look that waits for writers will tell
        return None


def _numbers(path: Path) -> tuple[int, int]:
    with translated(path):
        return _ask(path, "mode=ro")


def _ask(path: Path, query: str) -> tuple[int, int]:
    with closing(sqlite3.connect(_uri(path, query), uri=True, timeout=_BUSY_SECONDS)) as connection:
        application_id, version = (
            int(connection.execute(pragma).fetchone()[0]) for pragma in ("PRAGMA application_id", "PRAGMA user_version")
        )
    return application_id, version


def _reading_query(path: Path) -> str:
    """`immutable` reads without the -shm file, which a folder that is read-only cannot take; no writer can be there."""
    if os.access(path.parent, os.W_OK) or os.path.lexists(f"{path}-wal"):
        return "mode=ro"
    return "mode=ro&immutable=1"


def _connect(path: Path, query: str, settings: dict[str, int | str]) -> Connection:
    def opened() -> sqlite3.Connection:
        raw = sqlite3.connect(
            _uri(path, query), uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            _set(path, raw, settings)
        except BaseException:
            raw.close()
            raise
        return raw

    engine = create_engine("sqlite://", creator=opened, poolclass=NullPool)
    # The driver is told to leave transactions alone; each one of ours takes its locks at once, so it cannot fail later.
    begin = "BEGIN IMMEDIATE" if settings is _WRITING else "BEGIN"
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine.connect()


def _set(path: Path, raw: sqlite3.Connection, settings: dict[str, int | str]) -> None:
    for name, wanted in settings.items():
        raw.execute(f"PRAGMA {name} = {wanted}").close()
        answer = raw.execute(f"PRAGMA {name}").fetchone()[0]
        if answer != wanted:
            raise LocalFault(
                f"SQLite {sqlite3.sqlite_version} keeps `{name}` at {answer} for `{path}`, and {wanted} is needed",
                hint="put the state on a local disk (`--state DIR`); `migrator doctor` says more about this machine",
            )


def _uri(path: Path, query: str) -> str:
    return f"file:{quote(os.fsencode(path))}?{query}"


def _make(path: Path, lineage: Lineage) -> None:
    """Put a new, complete database at `path`: whoever is killed on the way leaves nothing there."""
    draft = path.with_name(f".{path.name}.new")
    try:
        for leftover in ("", "-journal", "-wal", "-shm"):
            Path(f"{draft}{leftover}").unlink(missing_ok=True)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with translated(path), closing(_connect(draft, "mode=rw", _WRITING)) as connection:
            with connection.begin():
                _fill(connection, lineage)
            # Closing does it without a word when the WAL's content finds no room in the file.
            _pragma(connection, "wal_checkpoint(TRUNCATE)")
        draft.rename(path)
        sync_directory(path.parent)
    except OSError as error:
        raise unreadable(path, error) from error


def _fill(connection: Connection, lineage: Lineage) -> None:
    """Make the schema of this version at once, and leave the note that Alembic leaves, which need not be loaded."""
    lineage.tables.create_all(connection, checkfirst=False)
    connection.exec_driver_sql(_ALEMBIC_NOTE)
    connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (f"{lineage.version:04d}",))
    _sign(connection, lineage)


def _sign(connection: Connection, lineage: Lineage) -> None:
    """Have the header say whose file it is, and of which version."""
    connection.exec_driver_sql(f"PRAGMA application_id = {lineage.application_id}")
    connection.exec_driver_sql(f"PRAGMA user_version = {lineage.version}")


def _upgrade(path: Path, connection: Connection, lineage: Lineage) -> None:
    """Bring the schema up to date in one transaction; on any error the connection is closed and nothing has changed."""
    from migrator.journal.upgrading import upgrade  # noqa: PLC0415 (Alembic: loaded only when there is work for it)

    try:
        with translated(path):
            _pragma(connection, "foreign_keys = OFF")  # or rebuilding a table would delete what refers to it
            with connection.begin():
                upgrade(connection, lineage.name)
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
                assert broken is None, f"the migration left a dangling reference: {broken}"
                _sign(connection, lineage)
            _pragma(connection, "foreign_keys = ON")
    except BaseException:
        connection.close()
        raise


def _pragma(connection: Connection, text: str) -> None:
    """Run a pragma that has no effect, or fails, inside a transaction."""
    raw = connection.connection.dbapi_connection
    assert raw is not None
    cursor = raw.cursor()
    cursor.execute(f"PRAGMA {text}")
    cursor.close()
