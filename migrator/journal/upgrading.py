"""Bringing a database to the schema of this version, in one transaction. Imported only when there is such work."""

from __future__ import annotations

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

_MIGRATIONS = Path(__file__).parent / "migrations"

# Alembic keeps the running migration in a module; applications side by side take turns.
_one_at_a_time = threading.Lock()


def upgrade(connection: Connection, lineage: str) -> None:
    """Run the missing revisions of `lineage` in the transaction that `connection` is in."""
    config = Config()
    config.set_main_option("script_location", _escaped(_MIGRATIONS))
    config.set_main_option("version_locations", _escaped(_MIGRATIONS / lineage))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    with _one_at_a_time:
        command.upgrade(config, "head")


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")  # configuration values are interpolated
