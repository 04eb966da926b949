"""What was given up at the target when falling back: one record in the chain, and each item by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import select

from migrator.journal import tables
from migrator.journal.chain import Value, next_id, record
from migrator.journal.copy_back import Change
from migrator.journal.database import Database
from migrator.journal.sequence import CHAINED


class Loss(NamedTuple):
    """A list of changes that is given up, as a whole."""

    digest: str  # hexadecimal SHA-256 of the list
    items: int
    size_bytes: int  # of the files created and changed


def record_loss(database: Database, loss: Loss, changes: Iterable[tuple[str, Sequence[Change]]]) -> None:
    """Record a loss, then its items, each block with its dataset; once more is the same as once."""
    number = _record(database, loss)
    for dataset, block in changes:
        rows = [
            {
                "loss": number,
                "dataset": dataset,
                "path": change.path,
                "kind": change.kind.value,
                "what": change.what,
                "size": change.size,
                "mtime_ns": change.mtime_ns,
                "link": change.link,
            }
            for change in block
        ]
        with database.write() as connection:
            connection.execute(tables.lost_item.insert().prefix_with("OR REPLACE"), rows)


def _record(database: Database, loss: Loss) -> int:
    newest = select(tables.loss).order_by(tables.loss.c.id.desc()).limit(1)
    with database.write() as connection:
        last = connection.execute(newest).first()
        if last is not None and last.digest == loss.digest:
            return int(last.id)
        number = next_id(connection, tables.loss)
        row: dict[str, Value] = {"id": number, "given_up_at": tables.now(), **loss._asdict()}
        record(connection, CHAINED, tables.loss, row)
    return number
