"""One look at a source: as a pass, which becomes the manifest, or as a guard, which is only compared with it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Literal, NamedTuple

from sqlalchemy import Connection, select

from migrator.domain.entries import Entry, Kind, Listed, Unchanged, Unreadable
from migrator.journal import tables
from migrator.journal.chain import Value, amend, next_id, record
from migrator.journal.database import Database
from migrator.journal.sequence import CHAINED, next_seq, present_seq
from migrator.journal.staging import Stage

Purpose = Literal["pass", "guard"]


class ScanRecord(NamedTuple):
    """How a scan ended. Everything recorded up to `begun_seq` happened before the scan began."""

    seq: int
    is_complete: bool  # ended, and nothing unreadable
    items: int  # different paths seen, excluded ones too
    size_bytes: int  # of all files seen
    ended_at: dt.datetime
    begun_seq: int


class Delta(NamedTuple):
    """What a pass would do."""

    items: int  # to carry
    size_bytes: int  # of the files among them
    gone: int  # at the target, and no longer at the source


class Scan:
    """A scan that is under way. Only its `end` can make anything gone, and only when it saw everything."""

    def __init__(self, database: Database, dataset: int, scan_id: int, purpose: Purpose) -> None:
        self._database = database
        self._dataset = dataset
        self._id = scan_id
        self._purpose = purpose
        self._size_bytes = 0
        self._unreadable = 0
        self._is_open = True

    @classmethod
    def begin(cls, database: Database, dataset: int, purpose: Purpose) -> Scan:
        """Record that a scan begins. An earlier one of the same dataset that was not ended can no longer be used."""
        with database.write() as connection:
            scan_id = next_id(connection, tables.scan)
            if not _is_latest_pass_complete(connection, dataset):
                # It remembered folders, and never came to say what was missing in them.
                Stage(connection, dataset, scan_id).forget_all_folders()
            for (earlier,) in connection.execute(select(tables.scan.c.id).where(tables.scan.c.dataset == dataset)):
                stage = Stage(connection, dataset, earlier)
                stage.forget_seen()
                stage.forget_differences()
            row = {
                "id": scan_id,
                "dataset": dataset,
                "purpose": purpose,
                "begun_at": tables.now(),
                "begun_seq": present_seq(connection),
            }
            record(connection, CHAINED, tables.scan, row)
        return cls(database, dataset, scan_id, purpose)

    def note(self, entries: Sequence[Entry], listed: Sequence[Listed] = ()) -> list[Entry]:
        """Take in a block of entries; a pass answers which of them are to be carried, in the given order.

        Those are: new, changed in any fact, or not at the target yet for whatever reason. A guard answers nothing.
        `listed` are folders whose last names are in this block, or were in one before.
        """
        is_pass = self._purpose == "pass"
        if not entries and not (listed and is_pass):
            return []
        places: list[int] = []
        with self._database.write() as connection:
            stage = self._stage(connection)
            if entries:
                stage.fill((entry, None) for entry in entries)
                if is_pass:
                    places = stage.take_in()
                    stage.forget_folders(entries)
                else:
                    stage.compare()
            if is_pass:
                stage.remember_folders(listed)
        self._count(entries)
        return [entries[place] for place in places]

    def unchanged(self, folders: Sequence[Unchanged]) -> None:
        """Take all that is directly in the folders for seen, and for being as it is recorded."""
        if folders:
            with self._database.write() as connection:
                self._stage(connection).pass_over(folders)

    def passed_over_any(self) -> bool:
        """Whether anything in an unchanged folder belongs to the dataset."""
        with self._database.read() as connection:
            return self._stage(connection).passed_over_any()

    def exclude(self, rows: Sequence[tuple[Entry, str]]) -> None:
        """Take in entries that are not to be moved, each with the reason; a guard leaves them out of the comparison."""
        if not rows:
            return
        with self._database.write() as connection:
            stage = self._stage(connection)
            stage.fill(rows)
            if self._purpose == "pass":
                stage.set_apart()
                stage.forget_folders([entry for entry, _ in rows])
        self._count([entry for entry, _ in rows])

    def unreadable(self, rows: Sequence[Unreadable]) -> None:
        """Record places whose content is unknown: what is below them is not gone, and the scan is not complete."""
        if not rows:
            return
        with self._database.write() as connection:
            stage = self._stage(connection)
            if self._purpose == "pass":
                stage.fail([(row.path, row.reason) for row in rows])
            else:
                stage.differ([(row.path, f"unreadable: {row.reason}") for row in rows])
        self._unreadable += len(rows)

    def end(self) -> ScanRecord:
        """Record that everything was listed; after a complete pass, what was not seen is gone, or forgotten.

        Gone is what stands at the target by our hand; forgotten is what was never copied.
        """
        is_complete = not self._unreadable
        ended_at = tables.now()
        with self._database.write() as connection:
            stage = self._stage(connection)
            if is_complete and self._purpose == "pass":
                stage.lose_unseen()
            elif is_complete:
                stage.miss()
            seq, (items, size_bytes) = next_seq(connection), stage.seen()
            size_bytes += self._size_bytes
            ending: dict[str, Value] = {"ended_at": ended_at, "seq": seq, "is_complete": int(is_complete)}
            ending |= {"items": items, "size_bytes": size_bytes}
            amend(connection, CHAINED, tables.scan, self._id, **ending)
            stage.forget_seen()
            begun_seq = connection.execute(select(tables.scan.c.begun_seq).where(tables.scan.c.id == self._id)).scalar()
        self._is_open = False
        return ScanRecord(seq, is_complete, items, size_bytes, ended_at, int(begun_seq or 0))

    def differences(self, limit: int = 100) -> list[tuple[bytes, str]]:
        """What a guard found after its end, in path order: "changed", "new", "gone", or "unreadable: ..."."""
        assert self._purpose == "guard", "a pass becomes the manifest: there is nothing left to differ"
        assert not self._is_open, "what is gone is known only at the end"
        with self._database.read() as connection:
            return Stage(connection, self._dataset, self._id).differences(limit)

    def delta(self) -> Delta:
        """What a pass would do now, by what a guard found; after its end."""
        assert self._purpose == "guard", "a pass becomes the manifest: there is nothing left to differ"
        assert not self._is_open, "what is gone is known only at the end"
        with self._database.read() as connection:
            return Delta(*Stage(connection, self._dataset, self._id).delta())

    def _stage(self, connection: Connection) -> Stage:
        newest = select(tables.scan.c.id).where(tables.scan.c.dataset == self._dataset)
        latest = connection.execute(newest.order_by(tables.scan.c.id.desc()).limit(1)).scalar()
        assert self._is_open, "this scan has ended"
        assert latest == self._id, "another scan of this dataset has begun since"
        return Stage(connection, self._dataset, self._id)

    def _count(self, entries: Sequence[Entry]) -> None:
        self._size_bytes += sum(entry.size for entry in entries if entry.kind is Kind.FILE)


def _is_latest_pass_complete(connection: Connection, dataset: int) -> bool:
    passes = select(tables.scan.c.is_complete).where(tables.scan.c.dataset == dataset, tables.scan.c.purpose == "pass")
    return bool(connection.execute(passes.order_by(tables.scan.c.id.desc()).limit(1)).scalar())
