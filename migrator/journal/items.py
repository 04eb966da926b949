"""Reading the manifest: rows as entries and items, in blocks, and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from migrator.domain.entries import Class, Entry, Item, Kind
from migrator.domain.reports import PutOff, Tally
from migrator.journal import tables
from migrator.journal.database import Database
from migrator.journal.sealing import is_sealed

BLOCK = 1000

_item = tables.item.c
_KINDS = {kind.value: kind for kind in Kind}
_CLASSES = {state.value: state for state in Class}

# The columns of an Entry, in its order; with the kind at the source, or the one that stands at the target.
_FACTS = (_item.size, _item.mtime_ns, _item.mode, _item.uid, _item.gid, _item.link, _item.ctime_ns, _item.inode)
_SEEN = (_item.links, _item.device, _item.allocated, _item.xattrs)
ENTRY = (_item.path, _item.kind, *_FACTS, *_SEEN)
ENTRY_AT_TARGET = (_item.path, _item.target_kind, *_FACTS, *_SEEN)

Read = TypeVar("Read")


class ToVerify(NamedTuple):
    """An item whose bytes are to be read again, and what they must be."""

    entry: Entry
    sha256: bytes | None
    copied_seq: int | None


def unverified(dataset: int, since_seq: int) -> ColumnElement[bool]:
    """Items at the target that were not verified after `since_seq`.

    Also what failed there before: it may have been mended, and must not be passed over in silence; and what was not
    sealed as it now stands.
    """
    is_stale = and_(_item.state == Class.VERIFIED.value, or_(_item.verified_seq <= since_seq, ~is_sealed()))
    is_comparable = or_(_item.kind != Kind.FILE.value, _item.sha256.is_not(None))
    was_copied = and_(_item.target_kind == _item.kind, _item.copied_seq.is_not(None))
    had_failed = and_(_item.state == Class.FAILED.value, was_copied, is_comparable)
    is_wanted = or_(_item.state == Class.ACKNOWLEDGED.value, is_stale, had_failed)
    return and_(_item.dataset == dataset, _item.is_gone == 0, is_wanted)


def facts_of(entry: Entry) -> tuple[Any, ...]:
    """The values of `ENTRY`; only a file's size means anything, the others' is 0."""
    size = entry.size if entry.kind is Kind.FILE else 0
    return (entry.path, entry.kind.value, size, *entry[3:])


def entry_of(row: Sequence[Any]) -> Entry:
    """The entry in the first columns of a row (`ENTRY` or `ENTRY_AT_TARGET`)."""
    path, kind, *facts = row[: len(Entry._fields)]
    return Entry(path, _KINDS[kind], *facts)


def blocks(database: Database, query: Select[Any], read: Callable[[Sequence[Any]], Read]) -> Iterator[list[Read]]:
    """The rows of `query` (on items of one dataset) in path order, a block at a time.

    Each block is a look of its own that goes on behind the last path: rows may change while the blocks are used.
    """
    at_least = b""
    while True:
        with database.read() as connection:
            rows = connection.execute(query.where(_item.path >= at_least).order_by(_item.path).limit(BLOCK)).all()
        if not rows:
            return
        at_least = bytes(rows[-1][0]) + b"\0"  # the very next path there can be
        yield [read(row) for row in rows]


def blocks_backwards(database: Database, query: Select[Any]) -> Iterator[list[Entry]]:
    """The same in descending path order, so that what is in a folder comes before the folder."""
    below: ColumnElement[bool] | None = None
    while True:
        block = query if below is None else query.where(below)
        with database.read() as connection:
            rows = connection.execute(block.order_by(_item.path.desc()).limit(BLOCK)).all()
        if not rows:
            return
        below = _item.path < bytes(rows[-1][0])
        yield [entry_of(row) for row in rows]


def tally(connection: Connection, dataset: int | None = None) -> Tally:
    """How many items stand where, in one dataset or in all of them; what is gone does not count."""
    of_files = func.sum(_item.size)  # a size is 0 unless the item is a file
    counts = select(_item.state, func.count(), of_files).where(_item.is_gone == 0).group_by(_item.state)
    strangers = select(func.count()).select_from(tables.foreign_entry)
    if dataset is None:
        on_the_way_back = select(tables.dataset.c.id).where(tables.dataset.c.is_back == 1)
        counts = counts.where(_item.dataset.not_in(on_the_way_back))
        strangers = strangers.where(tables.foreign_entry.c.dataset.not_in(on_the_way_back))
    else:
        counts = counts.where(_item.dataset == dataset)
        strangers = strangers.where(tables.foreign_entry.c.dataset == dataset)
    rows = [(_CLASSES[state], int(items), int(size)) for state, items, size in connection.execute(counts)]
    return Tally(
        {state: items for state, items, _ in rows},
        {state: size for state, _, size in rows},
        int(connection.execute(strangers).scalar_one()),
    )


def put_off(connection: Connection, limit: int) -> list[PutOff]:
    """What is pending and was left to a later try, the most often first; every item is looked at."""
    query = (
        select(tables.dataset.c.name, _item.path, _item.tries, _item.reason)
        .join(tables.dataset, tables.dataset.c.id == _item.dataset)
        .where(tables.dataset.c.is_back == 0, _item.is_gone == 0)
        .where(_item.state == Class.PENDING.value, _item.tries > 0)
        .order_by(_item.tries.desc(), tables.dataset.c.name, _item.path)
        .limit(limit)
    )
    return [PutOff(name, bytes(path), tries, reason) for name, path, tries, reason in connection.execute(query)]


def items(connection: Connection) -> Iterator[Item]:
    """Every item of every dataset that is not gone, streamed: datasets by name, items by path."""
    names = connection.execute(
        select(tables.dataset.c.id, tables.dataset.c.name)
        .where(tables.dataset.c.is_back == 0)
        .order_by(tables.dataset.c.name)
    ).all()
    query = select(
        _item.path, _item.kind, _item.size, _item.mtime_ns, _item.state,
        func.coalesce(_item.verified_seq, _item.copied_seq), _item.sha256, _item.verified_by, _item.reason,
        _item.link,
    ).where(_item.is_gone == 0).order_by(_item.path)  # fmt: skip
    for dataset, name in names:
        rows = connection.execution_options(yield_per=BLOCK).execute(query.where(_item.dataset == dataset))
        for path, kind, size, mtime_ns, state, *rest in rows:
            yield Item(name, path, _KINDS[kind], size, mtime_ns, _CLASSES[state], *rest)
