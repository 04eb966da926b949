"""Looking at an application's database without a lock, while a run may be writing it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from sqlalchemy import select

from migrator.domain.entries import Item
from migrator.domain.phases import Phase
from migrator.domain.reports import Attempt, PutOff, Tally
from migrator.journal import chain, history, items, tables
from migrator.journal.database import Database
from migrator.journal.folder import StateFolder
from migrator.journal.sequence import CHAINED


class ApplicationView:
    """What is known about one application, as it is at each question; nothing is changed by asking."""

    def __init__(self, database: Database, folder: StateFolder, application: str) -> None:
        self.application = application
        self._database = database
        self._folder = folder

    @classmethod
    def open(cls, folder: StateFolder, application: str) -> ApplicationView | None:
        """The application's memory; None when it has none yet, LocalFault when it cannot be read."""
        database = Database.view(folder.database(application), tables.APPLICATION)
        return None if database is None else cls(database, folder, application)

    @property
    def phase(self) -> Phase:
        """The last safe point reached."""
        return self._standing().phase

    @property
    def freeze_seq(self) -> int | None:
        """The number the freeze got; None when not frozen."""
        return self._standing().freeze_seq

    @property
    def frozen_at(self) -> dt.datetime | None:
        """Since when writes at the source are stopped; None when they are not."""
        return self._standing().frozen_at

    @property
    def freeze_begun_at(self) -> dt.datetime | None:
        """When the freeze that may be in place was applied, confirmed or not; None when there is none."""
        with self._database.read() as connection:
            return history.freeze_begun_at(connection)

    def attempts(self, limit: int = 20) -> list[Attempt]:
        """The latest attempts, the newest first."""
        with self._database.read() as connection:
            return history.attempts(connection, limit)

    def reached_at(self, phase: Phase) -> dt.datetime | None:
        """When a step last led to `phase`; None when none did."""
        with self._database.read() as connection:
            return history.reached_at(connection, phase)

    def used_approvals(self) -> frozenset[str]:
        """The approvals by which a gate was passed already."""
        with self._database.read() as connection:
            return history.used_approvals(connection)

    def marked(self, name: str) -> str | None:
        """The remembered fact; None when there is none."""
        with self._database.read() as connection:
            return connection.execute(select(tables.mark.c.value).where(tables.mark.c.name == name)).scalar()

    def tally(self) -> Tally:
        """How many items of all datasets stand where."""
        with self._database.read() as connection:
            return items.tally(connection)

    def put_off(self, limit: int = 100) -> list[PutOff]:
        """Pending items that were left to a later try, and how often; the most often first."""
        with self._database.read() as connection:
            return items.put_off(connection, limit)

    def items(self) -> Iterator[Item]:
        """Every item that is not gone, from one look at the whole: datasets by name, items by path."""
        database = Database.view(self._folder.database(self.application), tables.APPLICATION)
        if database is not None:
            with database, database.read() as connection:
                yield from items.items(connection)

    def last_row(self) -> int:
        """The number of the newest row of the chain: it grows with everything that is recorded."""
        with self._database.read() as connection:
            return chain.last_row(connection, CHAINED)

    def check_chain(self) -> list[str]:
        """What is wrong with the recorded history, in words; empty when it is sound."""
        with self._database.read() as connection:
            return chain.check(connection, CHAINED)

    def close(self) -> None:
        """Close the database; may be called twice."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _standing(self) -> history.Standing:
        with self._database.read() as connection:
            return history.standing(connection)
