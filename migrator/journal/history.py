"""Reading an application's history, for the run that writes it and for those who look on."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from sqlalchemy import Connection, select

from migrator.domain.phases import Phase
from migrator.domain.reports import Attempt
from migrator.journal import tables


class Standing(NamedTuple):
    """Where an application is."""

    phase: Phase
    freeze_seq: int | None
    frozen_at: dt.datetime | None


def standing(connection: Connection) -> Standing:
    """Where the application is; `planned` when the first run was killed before it recorded anything."""
    row = connection.execute(select(tables.standing)).first()
    if row is None:
        return Standing(Phase.PLANNED, None, None)
    return Standing(Phase(row.phase), row.freeze_seq, row.frozen_at)


def attempts(connection: Connection, limit: int) -> list[Attempt]:
    """The latest attempts, the newest first."""
    query = select(tables.attempt).order_by(tables.attempt.c.id.desc()).limit(limit)
    return [Attempt(row.step, row.started_at, row.ended_at, row.error, row.run_id) for row in connection.execute(query)]


def reached_at(connection: Connection, phase: Phase) -> dt.datetime | None:
    """When a step last led to `phase`; None when none did."""
    query = select(tables.attempt.c.ended_at).where(tables.attempt.c.phase == phase.value)
    return connection.execute(query.order_by(tables.attempt.c.id.desc()).limit(1)).scalar()


def used_approvals(connection: Connection) -> frozenset[str]:
    """The approvals that were used up."""
    return frozenset(connection.execute(select(tables.used_approval.c.id)).scalars())
