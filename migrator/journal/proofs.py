"""The photo-finish: for each dataset, which complete scans lie before and after its verification under freeze."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from sqlalchemy import Connection, select

from migrator.journal import tables
from migrator.journal.chain import Value, amend, next_id, record
from migrator.journal.sequence import CHAINED


class Proof(NamedTuple):
    """A verification under freeze of one dataset, and the scans around it; all of it stands in the chain."""

    id: int
    dataset: str
    freeze_seq: int
    moved_as: str  # from where to where, and how: what exactly was verified
    scan_before: int
    verified_at: dt.datetime
    source_read: str  # "stat" or "hash": how the scan after it looked at the source
    scan_after: int | None
    proven_at: dt.datetime | None


def begin(connection: Connection, dataset: str, freeze_seq: int, moved_as: str, source_read: str) -> int:
    """Record that the dataset is verified; 0 when no complete pass under that freeze went before, then nothing is."""
    before = _latest(connection, dataset, "pass")
    if before is None or not before.is_complete or before.begun_seq < freeze_seq:
        return 0
    number = next_id(connection, tables.proof)
    row: dict[str, Value] = {"id": number, "dataset": dataset, "freeze_seq": freeze_seq, "moved_as": moved_as}
    row |= {"scan_before": before.id, "verified_at": tables.now(), "source_read": source_read}
    record(connection, CHAINED, tables.proof, row)
    return number


def end(connection: Connection, proof: int) -> None:
    """Record that the latest scan of the dataset, complete and without difference, proves that it stood still."""
    dataset = connection.execute(select(tables.proof.c.dataset).where(tables.proof.c.id == proof)).scalar_one()
    after = _latest(connection, dataset, "guard")
    assert after is not None, "a proof ends with a scan"
    amend(connection, CHAINED, tables.proof, proof, scan_after=after.id, proven_at=tables.now())


def latest(connection: Connection, dataset: str) -> Proof | None:
    """The newest proof of the dataset; None when it was never verified under a freeze."""
    query = select(tables.proof).where(tables.proof.c.dataset == dataset).order_by(tables.proof.c.id.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else Proof(*row)


class _Scan(NamedTuple):
    id: int
    is_complete: int
    begun_seq: int


def _latest(connection: Connection, dataset: str, purpose: str) -> _Scan | None:
    scan = tables.scan.c
    query = select(scan.id, scan.is_complete, scan.begun_seq).join_from(tables.scan, tables.dataset)
    wanted = query.where(tables.dataset.c.name == dataset, scan.purpose == purpose, scan.seq.is_not(None))
    row = connection.execute(wanted.order_by(scan.id.desc()).limit(1)).first()
    return None if row is None else _Scan(*row)
