"""Reading an application's history, for the run that writes it and for those who look on."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from sqlalchemy import Connection, func, or_, select

from migrator.domain.acts import FREEZE
from migrator.domain.phases import Phase
from migrator.domain.reports import Attempt
from migrator.journal import tables
from migrator.journal.faults import damaged

# The answer of a probe, as effects record it.
_NOT_IN_PLACE = "not in place"


class Standing(NamedTuple):
    """Where an application is."""

    phase: Phase
    freeze_seq: int | None
    frozen_at: dt.datetime | None


class Attestation(NamedTuple):
    """A file by which the provider attests the end of the source."""

    sha256: str  # hexadecimal
    name: str
    size_bytes: int
    recorded_by: str
    recorded_at: dt.datetime


def standing(connection: Connection) -> Standing:
    """Where the application is; `planned` when the first run was killed before it recorded anything.

    Raises LocalFault for a phase that there is not.
    """
    row = connection.execute(select(tables.standing)).first()
    if row is None:
        return Standing(Phase.PLANNED, None, None)
    if row.phase not in set(Phase):
        raise damaged(row.phase, "a phase")
    return Standing(Phase(row.phase), row.freeze_seq, row.frozen_at)


def freeze_begun_at(connection: Connection) -> dt.datetime | None:
    """When the freeze that may be in place was applied; None when its last probe said that there is none."""
    effect = tables.effect.c
    acts = select(effect.answer).where(effect.effect == FREEZE).order_by(effect.id.desc())
    last = connection.execute(acts.limit(1)).first()
    if last is None or last.answer == _NOT_IN_PLACE:
        return None
    applied = select(effect.intended_at).where(effect.effect == FREEZE, effect.verb == "apply")
    return connection.execute(applied.order_by(effect.id.desc()).limit(1)).scalar()


def effects_in_place(connection: Connection) -> list[str]:
    """The effects that were last meant to be put in place and are not known to be gone, in the order of their acts."""
    effect = tables.effect.c
    newest = select(func.max(effect.id)).group_by(effect.effect)
    acts = select(effect.effect).where(effect.id.in_(newest), effect.verb == "apply")
    acts = acts.where(effect.answer.is_distinct_from(_NOT_IN_PLACE))
    return list(connection.execute(acts.order_by(effect.id)).scalars())


def attempts(connection: Connection, limit: int) -> list[Attempt]:
    """The latest attempts, the newest first."""
    query = select(tables.attempt).order_by(tables.attempt.c.id.desc()).limit(limit)
    return [Attempt(row.step, row.started_at, row.ended_at, row.error, row.run_id) for row in connection.execute(query)]


def reached_at(connection: Connection, phase: Phase) -> dt.datetime | None:
    """When a step last led to `phase`; None when none did. The command `verify`, made at any phase, leads nowhere."""
    attempt = tables.attempt.c
    leads = or_(attempt.step != "verify", attempt.phase == Phase.VERIFIED.value)
    query = select(attempt.ended_at).where(attempt.phase == phase.value, leads)
    return connection.execute(query.order_by(attempt.id.desc()).limit(1)).scalar()


def attestations(connection: Connection) -> list[Attestation]:
    """What was attested, the oldest first."""
    query = select(tables.attestation).order_by(tables.attestation.c.recorded_at, tables.attestation.c.id)
    return [Attestation(*row) for row in connection.execute(query)]


def used_approvals(connection: Connection) -> frozenset[str]:
    """The approvals that were used up."""
    return frozenset(connection.execute(select(tables.used_approval.c.id)).scalars())
