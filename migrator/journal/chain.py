"""The chain: every record of a database is written together with a row that hashes it and the row before.

A record is one row of a table, in full; a record that changes gets another row in the chain. So the chain can be
checked by itself, and the tables against it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Table, Text, func, select, type_coerce
from sqlalchemy.dialects.sqlite import insert

from migrator.errors import LocalFault
from migrator.journal.tables import Moment, moment_text, now

Value = str | int | dt.datetime | None

_HEAD = "chain-head"
_BEFORE_THE_FIRST = "0" * 64


class Chained(NamedTuple):
    """The tables of one database that hold its chain, and the tables whose rows are recorded in it."""

    chain: Table
    fact: Table
    records: tuple[Table, ...]


class _Link(NamedTuple):
    number: int
    at: str
    subject: str
    subject_id: str
    body: str

    def digest(self, previous: str) -> str:
        return hashlib.sha256(f"{previous} {_canonical(self)}".encode()).hexdigest()


def record(connection: Connection, tables: Chained, table: Table, row: Mapping[str, Value]) -> None:
    """Write `row` (what it leaves out is None) in place of the one of the same id, and its link, in one transaction.

    Raises LocalFault when the end of the chain is not where it was left.
    """
    full = {column.name: row.get(column.name) for column in table.columns}
    statement = insert(table).values(full)
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=full))
    number, previous = _tail(connection, tables)
    if _head(connection, tables) != _head_text(number, previous):
        raise LocalFault(
            f"the chain of the state ends with row {number}, and that is not where it was left",
            hint="somebody changed the state by hand: keep a copy of it and find out who, before you go on",
        )
    link = _Link(number + 1, moment_text(now()), table.name, str(full["id"]), _canonical(_plain(full)))
    digest = link.digest(previous)
    connection.execute(insert(tables.chain).values(**link._asdict(), digest=digest))
    head = insert(tables.fact).values(name=_HEAD, value=_head_text(link.number, digest))
    connection.execute(head.on_conflict_do_update(index_elements=["name"], set_={"value": head.excluded.value}))


def amend(connection: Connection, tables: Chained, table: Table, row_id: str | int, **changes: Value) -> None:
    """Record the row of that id again, with `changes`; LookupError when there is none."""
    row = connection.execute(select(table).where(table.c.id == row_id)).mappings().first()
    if row is None:
        raise LookupError(f"no {table.name} {row_id}")
    record(connection, tables, table, {**row, **changes})


def next_id(connection: Connection, table: Table) -> int:
    """The id for a new row of a table that is numbered."""
    return int(connection.execute(select(func.coalesce(func.max(table.c.id), 0) + 1)).scalar_one())


def last_row(connection: Connection, tables: Chained) -> int:
    """The number of the newest row; 0 before the first."""
    return _tail(connection, tables)[0]


def check(connection: Connection, tables: Chained) -> list[str]:
    """What is wrong with the chain, or between it and the tables, in words; empty when all is sound."""
    newest: dict[tuple[str, str], str] = {}
    problems = list(_broken_links(connection, tables, newest))
    for table in tables.records:
        recorded = {row_id: body for (name, row_id), body in newest.items() if name == table.name}
        problems += _strays(connection, table, recorded)
    return problems


def _broken_links(connection: Connection, tables: Chained, newest: dict[tuple[str, str], str]) -> Iterator[str]:
    """The problems of the chain itself; on the way, `newest` takes the last body of every record."""
    number, previous = 0, _BEFORE_THE_FIRST
    for *columns, digest in connection.execute(select(tables.chain).order_by(tables.chain.c.number)):
        link = _Link(*columns)
        if link.number != number + 1:
            yield f"the chain jumps from row {number} to row {link.number}"
        elif link.digest(previous) != digest:
            yield f"row {link.number} of the chain does not follow from the row before it"
        newest[link.subject, link.subject_id] = link.body
        number, previous = link.number, digest
    if _head(connection, tables) != _head_text(number, previous):
        yield f"the chain ends with row {number}, and that is not where it was left"


def _strays(connection: Connection, table: Table, recorded: dict[str, str]) -> Iterator[str]:
    found: set[str] = set()
    columns = [type_coerce(column, Text).label(column.name) if _is_moment(column) else column for column in table.c]
    for row in connection.execute(select(*columns)).mappings():
        row_id = str(row["id"])
        found.add(row_id)
        if row_id not in recorded:
            yield f"{table.name} {row_id} is not in the chain"
        elif not _is_as_recorded(row, recorded[row_id]):
            yield f"{table.name} {row_id} is not what the chain recorded"
    for row_id in sorted(recorded.keys() - found):
        yield f"{table.name} {row_id} is in the chain, and missing from its table"


def _is_as_recorded(row: Mapping[Any, Any], body: str) -> bool:
    """Whether a row says what was recorded; columns that a later version has added were not there, and say nothing."""
    known = json.loads(body)
    return body == _canonical({name: value for name, value in row.items() if value is not None or name in known})


def _is_moment(column: Column[Any]) -> bool:
    return isinstance(column.type, Moment)  # read as it stands: text that is no longer a time must be told, not raise


def _tail(connection: Connection, tables: Chained) -> tuple[int, str]:
    chain = tables.chain.c
    last = connection.execute(select(chain.number, chain.digest).order_by(chain.number.desc()).limit(1)).first()
    return (0, _BEFORE_THE_FIRST) if last is None else (last.number, last.digest)


def _head(connection: Connection, tables: Chained) -> str:
    """Where the chain was left, kept apart from it so that a row cut off its end is missed."""
    query = select(tables.fact.c.value).where(tables.fact.c.name == _HEAD)
    return connection.execute(query).scalar_one_or_none() or _head_text(0, _BEFORE_THE_FIRST)


def _head_text(number: int, digest: str) -> str:
    return f"{number} {digest}"


def _plain(row: Mapping[str, Value]) -> dict[str, str | int | None]:
    return {name: moment_text(value) if isinstance(value, dt.datetime) else value for name, value in row.items()}


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
