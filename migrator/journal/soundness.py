"""Whether an application's record is what we wrote: its chain, and the numbers that order everything."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from migrator.journal import chain
from migrator.journal.sequence import CHAINED, present_seq

_HIGHEST = """
    SELECT max(
        (SELECT coalesce(max(freeze_seq), 0) FROM standing), (SELECT coalesce(max(seq), 0) FROM scan),
        (SELECT coalesce(max(copied_seq), 0) FROM item), (SELECT coalesce(max(verified_seq), 0) FROM item)
    )
"""
_BACKWARDS = """
    SELECT id FROM (
        SELECT id, begun_seq, max(seq) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW) AS last
        FROM scan
    ) WHERE begun_seq < last LIMIT 1
"""


def faults(connection: Connection) -> list[str]:
    """What is wrong with the record, in words; empty when it is sound."""
    return [*chain.check(connection, CHAINED), *_out_of_order(connection)]


def _out_of_order(connection: Connection) -> Iterator[str]:
    """A counter that was set back would make what is old look new."""
    present = present_seq(connection)
    highest = int(connection.exec_driver_sql(_HIGHEST).scalar_one())
    if highest > present:
        yield f"number {highest} was given out, and the counter stands at {present}"
    scan = connection.exec_driver_sql(_BACKWARDS).scalar()
    if scan is not None:
        yield f"scan {scan} begins with a number that an earlier one had"
