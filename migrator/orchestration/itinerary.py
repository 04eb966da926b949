"""The itinerary: which step leads from which phase to which, what gate stands before it, and the way back.

These tables are the whole truth about phases: nothing else moves one (docs/how-it-works.md shows the same list).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from migrator.domain.phases import Gate, Phase
from migrator.domain.plan import Application
from migrator.steps.accept import accept
from migrator.steps.catch_up import catch_up, catch_up_until_small
from migrator.steps.decommission import decommission
from migrator.steps.fall_back import fall_back, fall_back_at_a_loss
from migrator.steps.final_sync import final_sync
from migrator.steps.freeze import freeze, thaw, thaw_target
from migrator.steps.looking_back import look_back, look_back_as_far_as_can_be
from migrator.steps.preflight import preflight
from migrator.steps.scene import Scene
from migrator.steps.seed import seed
from migrator.steps.smoke_checks import check_after
from migrator.steps.switch_over import switch_over
from migrator.steps.verify import verify_under_freeze


@dataclass(frozen=True)
class Row:
    """One transition: from `start`, by `step`, to `end`, if `gate` is open."""

    start: Phase
    step: str
    act: Callable[[Scene], None]
    end: Phase
    gate: Gate | None = None
    back: Phase | None = None  # where SourceMoved and Unproven lead
    writes: bool = False  # whether it writes below the target roots, so that their locks are needed

    @property
    def leads_back(self) -> bool:
        """Whether it is part of a way back, which is open whatever became of the record."""
        return self.step in _WAYS_BACK


_WAYS_BACK = frozenset({"look-back", "fall-back", "roll-back"})

FORWARD: tuple[Row, ...] = (
    Row(Phase.PLANNED, "preflight", preflight, Phase.CHECKED, writes=True),
    Row(Phase.CHECKED, "seed", seed, Phase.SEEDED, writes=True),
    Row(Phase.SEEDED, "freeze", freeze, Phase.FROZEN, Gate.FREEZE),
    Row(Phase.FROZEN, "final-sync", final_sync, Phase.SYNCED, writes=True),
    Row(Phase.SYNCED, "verify", verify_under_freeze, Phase.VERIFIED, back=Phase.FROZEN),
    Row(Phase.VERIFIED, "switch-over", switch_over, Phase.SWITCHED_OVER, Gate.SWITCH_OVER, back=Phase.FROZEN),
    Row(Phase.SWITCHING, "switch-over", switch_over, Phase.SWITCHED_OVER, Gate.SWITCH_OVER, back=Phase.FROZEN),
    Row(Phase.SWITCHED_OVER, "accept", accept, Phase.ACCEPTED, Gate.ACCEPT),
    Row(Phase.ACCEPTED, "decommission", decommission, Phase.DECOMMISSIONED, Gate.DECOMMISSION),
)

# Passes that leave an application where it stands.
CATCH_UP = Row(Phase.SEEDED, "catch-up", catch_up, Phase.SEEDED, writes=True)
CATCH_UP_UNTIL_SMALL = Row(Phase.SEEDED, "catch-up", catch_up_until_small, Phase.SEEDED, writes=True)

# Made whenever the checks after the switch are not known to have passed; `accept` comes only after it.
CHECK_AFTER = Row(Phase.SWITCHED_OVER, "check", check_after, Phase.SWITCHED_OVER)

# Items that must be copied again send an application back to its freeze, without an attempt.
AGAIN: dict[Phase, Phase] = {Phase.SYNCED: Phase.FROZEN, Phase.VERIFIED: Phase.FROZEN}

# Going back while the target has taken no writes; what was copied is kept. From `seeded` it serves a freeze that was
# cut off before its phase was recorded.
ROLL_BACK: tuple[Row, ...] = tuple(
    Row(phase, "roll-back", thaw, Phase.SEEDED, Gate.ROLL_BACK)
    for phase in (Phase.SEEDED, Phase.FROZEN, Phase.SYNCED, Phase.VERIFIED)
)

# Going back after the switch: what changed at the target is looked at and told, then copied back or given up.
_SWITCHED = (Phase.SWITCHING, Phase.SWITCHED_OVER)
LOOK_BACK = tuple(Row(phase, "look-back", look_back, phase) for phase in _SWITCHED)
LOOK_BACK_AT_A_LOSS = tuple(Row(phase, "look-back", look_back_as_far_as_can_be, phase) for phase in _SWITCHED)
FALL_BACK = tuple(Row(phase, "fall-back", fall_back, Phase.SEEDED, Gate.FALL_BACK) for phase in _SWITCHED)
FALL_BACK_AT_A_LOSS = tuple(
    Row(phase, "fall-back", fall_back_at_a_loss, Phase.SEEDED, Gate.ACCEPT_LOSS) for phase in _SWITCHED
)

# Going on after all with a fall back that was begun, before any switch was undone.
STAY = tuple(Row(phase, "thaw-target", thaw_target, phase) for phase in _SWITCHED)


def next_row(phase: Phase) -> Row | None:
    """The transition that leads on from `phase`; None at the end."""
    return next((row for row in FORWARD if row.start is phase), None)


def rows_from(phase: Phase) -> tuple[Row, ...]:
    """All transitions that are left from `phase` on, in order."""
    rows: list[Row] = []
    while (row := next_row(phase)) is not None:
        rows.append(row)
        phase = row.end
    return tuple(rows)


def way_back(phase: Phase) -> Row | None:
    """The transition that rolls back from `phase`; None where there is nothing to roll back, or no longer a way."""
    return next((row for row in ROLL_BACK if row.start is phase), None)


def row_from(rows: tuple[Row, ...], phase: Phase) -> Row | None:
    """The one of the rows that starts at `phase`; None where they do not serve."""
    return next((row for row in rows if row.start is phase), None)


def has_gate(application: Application, gate: str) -> bool:
    """Whether `application` ever comes to `gate`."""
    return gate in (Gate.ROLL_BACK, Gate.FALL_BACK, Gate.ACCEPT_LOSS) or any(
        gate in gates_of(row, application) for row in FORWARD
    )


def soaking(application: Application, since: dt.datetime | None) -> str | None:
    """How long an application that was switched over at `since` still soaks, for people; None when that is over."""
    now = dt.datetime.now(dt.UTC)
    ends_at = (since or now) + application.soak
    return None if ends_at <= now else f"soaks until {ends_at:%Y-%m-%d %H:%M} UTC"


def gates_of(row: Row, application: Application) -> tuple[str, ...]:
    """Every gate that stands before `row`, in the order in which they open: those that the plan adds come first."""
    own = gate_of(row, application)
    added = application.gates if row.gate is Gate.SWITCH_OVER else ()
    return (*added, own) if own is not None else added


def gate_of(row: Row, application: Application) -> Gate | None:
    """The gate before `row`: none for a freeze without hook, nor where nothing is switched or waived."""
    if row.gate is Gate.FREEZE and application.freeze is None:
        return None
    if row.gate is Gate.SWITCH_OVER and not application.switches and not application.waivers:
        return None
    return row.gate
