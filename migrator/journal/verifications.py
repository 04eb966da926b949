"""Recording that items were verified, each under its seal; and that an earlier verification still counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, select

from migrator.domain.entries import Class, Entry, Kind
from migrator.journal import tables
from migrator.journal.items import ENTRY, entry_of
from migrator.journal.sealing import SEAL_OF, copy_seal_of, is_sealed

_item = tables.item.c

# How many paths one question may carry (SQLite allows 999 parameters at least).
_QUESTION = 900

# A digest that was recorded while copying stays; only one that is missing is filled in.
_SHA256 = "coalesce(sha256, ?3)"
_SEAL = SEAL_OF.format(sha256=_SHA256, verified_seq="?1", verified_by="?2", target_ctime_ns="?6", target_inode="?7")
_VERIFIED = f"""
    UPDATE item SET
        state = 'verified', reason = NULL, verified_seq = ?1, verified_by = ?2, sha256 = {_SHA256},
        target_ctime_ns = ?6, target_inode = ?7, seal = {_SEAL}, copy_seal = {copy_seal_of(sha256=_SHA256)}
    WHERE dataset = ?4 AND path = ?5 AND (
        state IN ('acknowledged', 'verified') OR (state = 'failed' AND target_kind = kind AND copied_seq IS NOT NULL)
    )
"""  # noqa: S608 - put together from what stands above alone

# How a verification counts again is said once, however often it does.
_STILL_BY = "replace(verified_by, ?2, '') || ?2"
_SEAL_STILL = SEAL_OF.format(
    sha256="sha256",
    verified_seq="?1",
    verified_by=_STILL_BY,
    target_ctime_ns="target_ctime_ns",
    target_inode="target_inode",
)
_RENEWED = f"""
    UPDATE item SET verified_seq = ?1, verified_by = {_STILL_BY}, seal = {_SEAL_STILL} WHERE dataset = ?3 AND path = ?4
"""  # noqa: S608 - put together from what stands above alone


class Standing(NamedTuple):
    """How a file stood at the target when its bytes were read again; None where the lane does not see it."""

    ctime_ns: int | None
    inode: int | None


_UNSEEN = Standing(None, None)


def record(
    connection: Connection,
    dataset: int,
    seq: int,
    by: str,
    items: Sequence[tuple[bytes, bytes | None]],
    stood: Mapping[bytes, Standing],
) -> None:
    """Record items, each with its digest or None, as verified; what changed since it was copied stays as it is."""
    rows = [(seq, by, sha256, dataset, path, *stood.get(path, _UNSEEN)) for path, sha256 in items]
    if rows:
        connection.exec_driver_sql(_VERIFIED, rows)


def renew(
    connection: Connection, dataset: int, seq: int, found: Sequence[Entry], since_seq: int, how: str
) -> list[Entry]:
    """Give `seq` to those files of which a verification before `since_seq` still counts, `how` behind its means.

    They stand at the target, where they were just `found`, as they did when their bytes were read; and the source has
    not changed since they were copied.
    """
    standing = {each.path: (each.size, each.ctime_ns, each.inode) for each in found}
    rows = _verified_before(connection, dataset, list(standing), since_seq)
    same = [entry_of(row) for row in rows if standing[row.path] == (row.size, row.target_ctime_ns, row.target_inode)]
    if same:
        connection.exec_driver_sql(_RENEWED, [(seq, how, dataset, entry.path) for entry in same])
    return same


def _verified_before(connection: Connection, dataset: int, paths: Sequence[bytes], since_seq: int) -> Iterator[Any]:
    is_older = and_(_item.state == Class.VERIFIED.value, _item.verified_seq <= since_seq, _item.is_gone == 0)
    is_whole = and_(_item.kind == Kind.FILE.value, _item.verified_seq > _item.copied_seq, is_sealed())
    is_seen = and_(_item.ctime_ns.is_not(None), _item.target_ctime_ns.is_not(None))
    query = select(*ENTRY, _item.target_ctime_ns, _item.target_inode).where(is_older, is_whole, is_seen)
    for first in range(0, len(paths), _QUESTION):
        some = paths[first : first + _QUESTION]
        yield from connection.execute(query.where(_item.dataset == dataset, _item.path.in_(some))).all()
