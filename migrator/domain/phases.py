"""The phases of an application, in order, and the gates between them."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """The last safe point an application has reached."""

    PLANNED = "planned"
    CHECKED = "checked"
    SEEDED = "seeded"
    FROZEN = "frozen"
    SYNCED = "synced"
    VERIFIED = "verified"
    SWITCHING = "switching"
    SWITCHED_OVER = "switched-over"
    ACCEPTED = "accepted"
    DECOMMISSIONED = "decommissioned"

    @property
    def rank(self) -> int:
        """Place in the order; a later phase has a larger rank."""
        return _ORDER.index(self)

    def is_at_least(self, other: Phase) -> bool:
        """Whether this phase is `other` or lies beyond it."""
        return self.rank >= other.rank


_ORDER = tuple(Phase)

# What `run --until` takes: every phase that is a place to stay.
UNTIL = tuple(phase for phase in Phase if phase not in (Phase.PLANNED, Phase.SWITCHING))


class Gate(StrEnum):
    """Where people must say yes."""

    FREEZE = "freeze"
    SWITCH_OVER = "switch-over"
    ACCEPT = "accept"
    DECOMMISSION = "decommission"
    ROLL_BACK = "roll-back"
    FALL_BACK = "fall-back"
    ACCEPT_LOSS = "accept-loss"


# Gates that `--yes` may pass; the others always need their own command or `approve`.
COVERED_BY_YES = frozenset({Gate.FREEZE, Gate.SWITCH_OVER, Gate.ROLL_BACK, Gate.FALL_BACK})
