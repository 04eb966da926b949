"""`journal.db`: the recorded plan, runs and approvals of a migration, shared by all of its coordinators in turns."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from migrator.domain.entries import display
from migrator.domain.reports import RecordedRehearsal
from migrator.errors import LocalFault
from migrator.journal import chain, rehearsals, tables
from migrator.journal.database import Database
from migrator.journal.folder import StateFolder, sync_directory, unreadable
from migrator.journal.inbox import Approval, Malformed, waiting
from migrator.journal.locks import FileLock

__all__ = ["Approval", "Journal", "RecordedPlan"]

# How long a write waits for the other coordinators' turns, each of which takes some milliseconds.
_TURN_SECONDS = 30.0

_CHAINED = chain.Chained(tables.journal_chain, tables.journal_fact, tables.JOURNAL_RECORDS)


class RecordedPlan(NamedTuple):
    """The plan that runs are held to."""

    digest: str
    content: str
    recorded_at: dt.datetime
    recorded_by: str


class Journal:
    """The journal of one migration. Nothing stays open between calls, so there is nothing to close."""

    def __init__(self, folder: StateFolder, *, is_view: bool) -> None:
        self._folder = folder
        self._is_view = is_view

    @classmethod
    def open(cls, folder: StateFolder) -> Journal:
        """The journal for writing, made or brought up to date where needed; LocalFault when it cannot be used."""
        folder.create()
        journal = cls(folder, is_view=False)
        with journal._write() as connection:
            fact = insert(tables.journal_fact).values(name="holder", value=secrets.token_hex(16))
            connection.execute(fact.on_conflict_do_nothing())
        return journal

    @classmethod
    def view(cls, folder: StateFolder) -> Journal | None:
        """The journal for reading only; None when there is none yet."""
        database = Database.view(folder.journal, tables.JOURNAL)
        if database is None:
            return None
        database.close()
        return cls(folder, is_view=True)

    @property
    def holder(self) -> str:
        """A random hexadecimal id of this state, made once."""
        query = select(tables.journal_fact.c.value).where(tables.journal_fact.c.name == "holder")
        with self._read() as connection:
            return str(connection.execute(query).scalar_one())

    def recorded_plan(self) -> RecordedPlan | None:
        """The plan that was recorded last; None before the first."""
        plan = tables.recorded_plan
        with self._read() as connection:
            row = connection.execute(select(plan).order_by(plan.c.id.desc()).limit(1)).first()
        return None if row is None else RecordedPlan(row.digest, row.content, row.recorded_at, row.recorded_by)

    def record_plan(self, digest: str, content: str, by: str) -> None:
        """Record a plan beside the earlier ones; from now on it counts."""
        row: dict[str, chain.Value] = {"digest": digest, "content": content, "recorded_at": tables.now()}
        with self._write() as connection:
            row_id = chain.next_id(connection, tables.recorded_plan)
            chain.record(connection, _CHAINED, tables.recorded_plan, {"id": row_id, "recorded_by": by, **row})

    def begin_run(self, command: str, plan_digest: str, versions: str) -> str:
        """Record that a run begins; its id is unique, and ids sort by the time of their beginning."""
        started_at = tables.now()
        run_id = f"{started_at:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}"
        row: dict[str, chain.Value] = {"command": command, "plan_digest": plan_digest, "versions": versions}
        with self._write() as connection:
            chain.record(connection, _CHAINED, tables.run, {"id": run_id, "started_at": started_at, **row})
        return run_id

    def end_run(self, run_id: str, exit_code: int) -> None:
        """Record how a run ended."""
        with self._write() as connection:
            chain.amend(connection, _CHAINED, tables.run, run_id, ended_at=tables.now(), exit_code=exit_code)

    def record_rehearsal(self, application: str, run_id: str, rehearsal: RecordedRehearsal) -> None:
        """Record a rehearsal of an application; from now on it is the last."""
        with self._write() as connection:
            rehearsals.add(connection, _CHAINED, application, run_id, rehearsal)

    def last_rehearsal(self, application: str) -> RecordedRehearsal | None:
        """The application's last rehearsal; None when there was none."""
        with self._read() as connection:
            return rehearsals.latest(connection, application)

    def approve(self, approval: Approval) -> None:
        """Record an approval."""
        with self._write() as connection:
            chain.record(connection, _CHAINED, tables.approval, _row(approval))

    def absorb_inbox(self) -> int:
        """Record what lies in the inbox, and empty it; how many approvals came in.

        A file that is no approval, or contradicts one of the same id, is moved to `inbox/refused` and recorded as such.
        """
        if not any(True for _ in waiting(self._folder)):
            return 0
        absorbed = 0
        with self._turn():
            for path, found in waiting(self._folder):
                with self._open() as database, database.write() as connection:
                    refusal = _take_in(connection, path.name, found)
                try:  # only after the commit: a file that is met again is recorded only once
                    if refusal is None:
                        path.unlink()
                    else:
                        path.rename(self._folder.refused / f"{path.name[:200]}-{secrets.token_hex(4)}")
                    sync_directory(self._folder.inbox)
                except OSError as error:
                    raise unreadable(path, error) from error
                absorbed += refusal is None
        return absorbed

    def approvals(
        self, gate: str, application: str, plan_digest: str, now: dt.datetime, used: frozenset[str]
    ) -> list[Approval]:
        """The approvals given for exactly this that hold now and are not in `used`, the oldest first.

        A view finds those that still lie in the inbox as well. Signatures are not looked at.
        """
        query = select(tables.approval).order_by(tables.approval.c.approved_at, tables.approval.c.id)
        with self._read() as connection:
            rows = connection.execute(query.where(tables.approval.c.application == application)).mappings().all()
        known = [Approval(**row) for row in rows]
        if self._is_view:
            known += [found for _, found in waiting(self._folder) if isinstance(found, Approval)]
        wanted = (gate, application, plan_digest)
        return [each for each in known if each[1:4] == wanted and each.id not in used and each.holds_at(now)]

    def check_chain(self) -> list[str]:
        """What is wrong with the recorded history, in words; empty when it is sound."""
        with self._read() as connection:
            return chain.check(connection, _CHAINED)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        assert not self._is_view, "the journal was opened to be looked at"
        lock = FileLock(self._folder.journal_lock, "the journal")
        lock.acquire(_TURN_SECONDS)
        with lock:
            yield

    def _open(self) -> Database:
        return Database.open(self._folder.journal, tables.JOURNAL)

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with self._turn(), self._open() as database, database.write() as connection:
            yield connection

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        database = Database.view(self._folder.journal, tables.JOURNAL)
        if database is None:
            raise LocalFault(
                f"the journal `{self._folder.journal}` has been taken away",
                hint="put it back; without it nothing is known about plans and approvals",
            )
        with database, database.read() as connection:
            yield connection


def _row(approval: Approval) -> dict[str, chain.Value]:
    return approval._asdict()


def _take_in(connection: Connection, name: str, found: Approval | Malformed) -> str | None:
    """Record a file of the inbox; why it is refused, or None."""
    if isinstance(found, Malformed):
        return _refuse(connection, name, found.reason, found.content)
    query = select(tables.approval).where(tables.approval.c.id == found.id)
    known = connection.execute(query).mappings().first()
    if known is None:
        chain.record(connection, _CHAINED, tables.approval, _row(found))
    elif dict(known) != _row(found):
        return _refuse(connection, name, f"another approval has the id {found.id}", repr(found).encode())
    return None


def _refuse(connection: Connection, name: str, reason: str, content: bytes) -> str:
    shown = display(name.encode("utf-8", "surrogateescape"))
    row_id = hashlib.sha256(name.encode("utf-8", "surrogateescape") + b"\0" + content).hexdigest()
    row: dict[str, chain.Value] = {"id": row_id, "name": shown, "reason": reason, "refused_at": tables.now()}
    if connection.execute(select(tables.refused_file.c.id).where(tables.refused_file.c.id == row_id)).first() is None:
        chain.record(connection, _CHAINED, tables.refused_file, row)
    return reason
