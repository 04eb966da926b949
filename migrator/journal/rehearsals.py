"""Rehearsals in `journal.db`: what each was about, and how long its steps took."""

from __future__ import annotations

from sqlalchemy import Connection, select

from migrator.domain.reports import RecordedRehearsal, RehearsedStep
from migrator.journal import chain, tables


def add(
    connection: Connection, chained: chain.Chained, application: str, run_id: str, rehearsal: RecordedRehearsal
) -> None:
    """Record a rehearsal beside the earlier ones."""
    number = chain.next_id(connection, tables.rehearsal)
    row: dict[str, chain.Value] = {
        "id": number,
        "application": application,
        "run_id": run_id,
        "ended_at": rehearsal.ended_at,
        "plan_digest": rehearsal.plan_digest,
        "versions": rehearsal.versions,
        "endpoints": rehearsal.endpoints,
        "error": rehearsal.error,
    }
    chain.record(connection, chained, tables.rehearsal, row)
    for each in rehearsal.steps:
        step: dict[str, chain.Value] = {
            "id": chain.next_id(connection, tables.rehearsed_step),
            "rehearsal": number,
            "step": each.step,
            "milliseconds": round(each.seconds * 1000),
        }
        chain.record(connection, chained, tables.rehearsed_step, step)


def latest(connection: Connection, application: str) -> RecordedRehearsal | None:
    """The application's last rehearsal; None when there was none."""
    rehearsal, step = tables.rehearsal, tables.rehearsed_step
    newest = select(rehearsal).where(rehearsal.c.application == application).order_by(rehearsal.c.id.desc())
    row = connection.execute(newest.limit(1)).first()
    if row is None:
        return None
    steps = connection.execute(select(step).where(step.c.rehearsal == row.id).order_by(step.c.id))
    return RecordedRehearsal(
        ended_at=row.ended_at,
        plan_digest=row.plan_digest,
        versions=row.versions,
        endpoints=row.endpoints,
        steps=tuple(RehearsedStep(each.step, each.milliseconds / 1000) for each in steps),
        error=row.error,
    )
