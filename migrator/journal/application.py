"""`applications/<name>.db`: phase, attempts, effects and manifest of one application, written by who has its lock."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from migrator.domain.entries import Item
from migrator.domain.phases import Phase
from migrator.domain.reports import Attempt, Tally
from migrator.errors import LocalFault
from migrator.journal import chain, history, items, proofs, sealing, soundness, staging, tables, target_look
from migrator.journal.chain import Value, amend, next_id, record
from migrator.journal.copy_back import Change, CopyBack
from migrator.journal.database import Database
from migrator.journal.folder import StateFolder
from migrator.journal.locks import FileLock
from migrator.journal.losses import Loss, record_loss
from migrator.journal.manifest import Manifest
from migrator.journal.papers import Papers, digest_of
from migrator.journal.sequence import CHAINED, next_seq, present_seq
from migrator.journal.view import ApplicationView

__all__ = ["ApplicationJournal", "ApplicationView", "EffectRecord"]


class EffectRecord(NamedTuple):
    """One intent to act outside the journal; what became of it is unknown until it is confirmed."""

    id: int
    effect: str
    verb: str
    intended_at: dt.datetime
    confirmed_at: dt.datetime | None
    answer: str | None


class ApplicationJournal:
    """The memory of one application, and its lock. All methods may be called from several threads at once.

    Every method that writes is one transaction, durable when it returns; all raise LocalFault when the disk refuses.
    """

    def __init__(self, database: Database, lock: FileLock, application: str, papers: Papers) -> None:
        self.application = application
        self.papers = papers
        self._database = database
        self._lock = lock

    @classmethod
    def open(cls, folder: StateFolder, application: str) -> ApplicationJournal:
        """Take the application's lock and open its database, made where missing; Held when another run has it."""
        folder.create()
        lock = FileLock(folder.lock(application), f"application `{application}`")
        lock.acquire()
        try:
            database = Database.open(folder.database(application), tables.APPLICATION)
        except BaseException:
            lock.release()
            raise
        journal = cls(database, lock, application, Papers(folder, application))
        try:
            with database.write() as connection:
                staging.prepare(connection)
                target_look.prepare(connection)
                _begin(connection)
                sealing.prepare(connection, sealing.key_of(connection))
        except BaseException:
            journal.close()
            raise
        return journal

    @property
    def phase(self) -> Phase:
        """The last safe point reached."""
        return self._standing().phase

    @property
    def freeze_seq(self) -> int | None:
        """The number the freeze got; what was verified before it must be verified again. None when not frozen."""
        return self._standing().freeze_seq

    @property
    def frozen_at(self) -> dt.datetime | None:
        """Since when writes at the source are stopped; None when they are not."""
        return self._standing().frozen_at

    @property
    def temp_key(self) -> bytes:
        """32 random bytes, made once: the key to the names of our temp files."""
        with self._database.read() as connection:
            return sealing.key_of(connection)

    def current_seq(self) -> int:
        """The newest number given out."""
        with self._database.read() as connection:
            return present_seq(connection)

    def reached_at(self, phase: Phase) -> dt.datetime | None:
        """When a step last led to `phase`; None when none did."""
        with self._database.read() as connection:
            return history.reached_at(connection, phase)

    def used_approvals(self) -> frozenset[str]:
        """The approvals by which a gate was passed already; none of them counts again."""
        with self._database.read() as connection:
            return history.used_approvals(connection)

    def begin_attempt(self, run_id: str, step: str) -> int:
        """Record that a step begins; the attempt's number."""
        with self._database.write() as connection:
            number = next_id(connection, tables.attempt)
            row: dict[str, Value] = {"id": number, "run_id": run_id, "step": step, "started_at": tables.now()}
            record(connection, CHAINED, tables.attempt, row)
        return number

    def finish_attempt(self, attempt: int, phase: Phase, approvals: Sequence[str] = ()) -> None:
        """Record that the step is done, the phase it led to, and the approvals it used up, all at once.

        Reaching `frozen` takes a fresh freeze number, and keeps the time of a freeze that already stood; `seeded` and
        what comes before it know no freeze.
        """
        with self._database.write() as connection:
            amend(connection, CHAINED, tables.attempt, attempt, ended_at=tables.now(), phase=phase.value)
            _move(connection, phase, f"attempt {attempt}")
            for approval in approvals:
                row: dict[str, Value] = {"id": approval, "attempt": attempt, "used_at": tables.now()}
                record(connection, CHAINED, tables.used_approval, row)

    def fail_attempt(self, attempt: int, error: str, exit_code: int) -> None:
        """Record that the step failed; the phase stays."""
        ending: dict[str, Value] = {"ended_at": tables.now(), "error": error, "exit_code": exit_code}
        with self._database.write() as connection:
            amend(connection, CHAINED, tables.attempt, attempt, **ending)

    def move(self, phase: Phase, why: str) -> None:
        """Record a transition that is no step's, with the freeze rules of `finish_attempt`."""
        with self._database.write() as connection:
            _move(connection, phase, why)

    def items(self) -> Iterator[Item]:
        """Every item that is not gone: datasets by name, items by path; nobody else writes meanwhile."""
        with self._database.read() as connection:
            yield from items.items(connection)

    def attempts(self, limit: int = 20) -> list[Attempt]:
        """The latest attempts, the newest first."""
        with self._database.read() as connection:
            return history.attempts(connection, limit)

    def intend(self, effect: str, verb: str, phase: Phase | None = None) -> int:
        """Record that we are about to act, and the phase that begins with it; the number to confirm it by."""
        with self._database.write() as connection:
            number = next_id(connection, tables.effect)
            row: dict[str, Value] = {"id": number, "effect": effect, "verb": verb, "intended_at": tables.now()}
            record(connection, CHAINED, tables.effect, row)
            if phase is not None and phase is not history.standing(connection).phase:
                _move(connection, phase, f"{verb} of {effect}")
        return number

    def confirm(self, effect_id: int, answer: str) -> None:
        """Record what became of an intent."""
        with self._database.write() as connection:
            amend(connection, CHAINED, tables.effect, effect_id, confirmed_at=tables.now(), answer=answer)

    def last_effect(self, effect: str) -> EffectRecord | None:
        """The latest intent about `effect`; None when there was none."""
        query = select(tables.effect).where(tables.effect.c.effect == effect).order_by(tables.effect.c.id.desc())
        with self._database.read() as connection:
            row = connection.execute(query.limit(1)).first()
        return None if row is None else EffectRecord(*row)

    def effects_in_place(self) -> list[str]:
        """The effects that are in place, or may be, in the order in which they were put there."""
        with self._database.read() as connection:
            return history.effects_in_place(connection)

    def last_row(self) -> int:
        """The number of the newest row of the chain: it grows with everything that is recorded."""
        with self._database.read() as connection:
            return chain.last_row(connection, CHAINED)

    def mark(self, name: str, value: str | None) -> None:
        """Remember a small fact, or forget it (None)."""
        with self._database.write() as connection:
            if value is None:
                connection.execute(delete(tables.mark).where(tables.mark.c.name == name))
            else:
                fact = insert(tables.mark).values(name=name, value=value)
                connection.execute(fact.on_conflict_do_update(index_elements=["name"], set_={"value": value}))

    def marked(self, name: str) -> str | None:
        """The remembered fact; None when there is none."""
        with self._database.read() as connection:
            return connection.execute(select(tables.mark.c.value).where(tables.mark.c.name == name)).scalar()

    def manifest(self, dataset: str) -> Manifest:
        """The manifest of a dataset, empty at first."""
        return Manifest(self._database, self._dataset(dataset, is_back=0), dataset)

    def copy_back(self, dataset: str) -> CopyBack:
        """The way back of a dataset, on which nothing is known at first."""
        # A name that no dataset of a plan can have.
        back = self._dataset(f"{dataset} <-", is_back=1)
        return CopyBack(self._database, self._dataset(dataset, is_back=0), back, dataset)

    def give_up(self, loss: Loss, changes: Iterable[tuple[str, Sequence[Change]]]) -> None:
        """Record what is lost by falling back, before that is done: blocks of items, each with its dataset."""
        record_loss(self._database, loss, changes)

    def begin_proof(self, dataset: str, moved_as: str, source_read: str) -> int:
        """Record that the dataset is verified under this freeze; 0, and nothing, without a complete pass in it."""
        with self._database.write() as connection:
            freeze_seq = history.standing(connection).freeze_seq
            return 0 if freeze_seq is None else proofs.begin(connection, dataset, freeze_seq, moved_as, source_read)

    def end_proof(self, proof: int) -> None:
        """Record that the latest scan of its dataset was complete, and found no difference."""
        with self._database.write() as connection:
            proofs.end(connection, proof)

    def proof(self, dataset: str) -> proofs.Proof | None:
        """The newest proof of the dataset; None when it was never verified under a freeze."""
        with self._database.read() as connection:
            return proofs.latest(connection, dataset)

    def attest(self, name: str, content: bytes, by: str) -> str:
        """Keep a file that attests the end of the source, and record it; its SHA-256. Once is as good as twice."""
        digest = digest_of(content)
        self.papers.keep(f"attestation-{digest}", content)
        row: dict[str, Value] = {"id": digest, "name": name, "size_bytes": len(content)}
        with self._database.write() as connection:
            known = select(tables.attestation.c.id).where(tables.attestation.c.id == digest)
            if connection.execute(known).first() is None:
                row |= {"recorded_by": by, "recorded_at": tables.now()}
                record(connection, CHAINED, tables.attestation, row)
        return digest

    def attestations(self) -> list[history.Attestation]:
        """What was attested, the oldest first."""
        with self._database.read() as connection:
            return history.attestations(connection)

    def faults(self) -> list[str]:
        """What in the record is not as we wrote it, in words; empty when it is sound. Items have seals of their own."""
        with self._database.read() as connection:
            return soundness.faults(connection)

    def tally(self) -> Tally:
        """How many items of all datasets stand where."""
        with self._database.read() as connection:
            return items.tally(connection)

    def close(self) -> None:
        """Close the database, then let go of the lock; may be called twice."""
        try:
            self._database.close()
        finally:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _dataset(self, name: str, *, is_back: int) -> int:
        query = select(tables.dataset.c.id).where(tables.dataset.c.name == name)
        with self._database.write() as connection:
            new = insert(tables.dataset).values(name=name, is_back=is_back)
            connection.execute(new.on_conflict_do_nothing())
            return int(connection.execute(query).scalar_one())

    def _standing(self) -> history.Standing:
        with self._database.read() as connection:
            return history.standing(connection)


def _begin(connection: Connection) -> None:
    """Give a new database what every application has from its first moment."""
    fact = insert(tables.application_fact).values(name="temp-key", value=secrets.token_hex(32))
    connection.execute(fact.on_conflict_do_nothing())
    if connection.execute(select(tables.standing.c.id)).first() is None:
        if connection.execute(select(tables.application_chain.c.number).limit(1)).first() is not None:
            raise LocalFault(
                "the state of the application has a history, and its phase is missing",
                hint="somebody changed the state by hand: keep a copy of it and find out who, before you go on",
            )
        row: dict[str, Value] = {"id": 1, "phase": Phase.PLANNED.value, "why": "nothing was done yet"}
        record(connection, CHAINED, tables.standing, row)


def _move(connection: Connection, phase: Phase, why: str) -> None:
    before = history.standing(connection)
    freeze_seq, frozen_at = before.freeze_seq, before.frozen_at
    if phase is Phase.FROZEN:
        freeze_seq, frozen_at = next_seq(connection), frozen_at or history.freeze_begun_at(connection) or tables.now()
    elif not phase.is_at_least(Phase.FROZEN):
        freeze_seq = frozen_at = None
    row: dict[str, Value] = {"phase": phase.value, "freeze_seq": freeze_seq, "frozen_at": frozen_at, "why": why}
    record(connection, CHAINED, tables.standing, {"id": 1, **row})
