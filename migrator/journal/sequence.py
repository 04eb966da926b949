"""The one counter of an application's database. Order comes from here, never from clocks."""

from __future__ import annotations

from sqlalchemy import Connection

from migrator.journal import tables
from migrator.journal.chain import Chained

# What an application's database keeps in its chain.
CHAINED = Chained(tables.application_chain, tables.application_fact, tables.APPLICATION_RECORDS)


def next_seq(connection: Connection) -> int:
    """A number larger than every one before it, in the caller's transaction."""
    connection.exec_driver_sql("UPDATE counter SET seq = seq + 1")
    return present_seq(connection)


def present_seq(connection: Connection) -> int:
    """The newest number given out."""
    return int(connection.exec_driver_sql("SELECT seq FROM counter").scalar_one())
