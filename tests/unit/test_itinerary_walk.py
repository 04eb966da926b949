"""Every way through the tables of the itinerary, twelve transitions deep: what no way may do, and what all can."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from migrator.domain.phases import Gate, Phase
from migrator.orchestration.itinerary import (
    AGAIN,
    CATCH_UP,
    CATCH_UP_UNTIL_SMALL,
    CHECK_AFTER,
    FALL_BACK,
    FALL_BACK_AT_A_LOSS,
    FORWARD,
    LOOK_BACK,
    LOOK_BACK_AT_A_LOSS,
    ROLL_BACK,
    STAY,
    Row,
)

DEPTH = 12
BACK_AFTER_THE_SWITCH = (*FALL_BACK, *FALL_BACK_AT_A_LOSS)
ROWS = (
    *FORWARD,
    CATCH_UP,
    CATCH_UP_UNTIL_SMALL,
    CHECK_AFTER,
    *ROLL_BACK,
    *LOOK_BACK,
    *LOOK_BACK_AT_A_LOSS,
    *BACK_AFTER_THE_SWITCH,
    *STAY,
)


@dataclass(frozen=True)
class Standing:
    """A phase, and what has happened since it last mattered."""

    phase: Phase = Phase.PLANNED
    is_frozen: bool = False  # by `freeze`, and not thawed since
    is_synced: bool = False  # by a final sync under this freeze
    is_proven: bool = False  # by a verification after that final sync
    gates: frozenset[Gate] = frozenset()  # passed since the last time it was thawed

    def after(self, row: Row, end: Phase) -> Standing:
        """Where `row` leads when it ends at `end`."""
        passed = self.gates | ({row.gate} if row.gate is not None else set())
        known = {
            "freeze": {"is_frozen": True, "is_synced": False, "is_proven": False},
            "final-sync": {"is_synced": self.is_frozen, "is_proven": False},
            "verify": {"is_proven": self.is_synced},
        }.get(row.step, {})
        there = replace(self, phase=end, gates=frozenset(passed), **known)
        return (
            there.again_from(end) if end is Phase.FROZEN else there if end.is_at_least(Phase.FROZEN) else Standing(end)
        )

    def again_from(self, phase: Phase) -> Standing:
        """The same back at the freeze, from which everything is repeated."""
        return replace(self, phase=phase, is_synced=False, is_proven=False)


def steps_from(here: Standing) -> Iterator[tuple[Row | None, Standing]]:
    """Whatever can happen next: a row that is done, that is cut off, or that finds the proof broken; or AGAIN."""
    for row in ROWS:
        if row.start is not here.phase:
            continue
        yield row, here.after(row, row.end)
        if row.back is not None:
            yield row, here.again_from(row.back)
        if row.step == "switch-over" and row.start is Phase.VERIFIED:
            yield row, replace(here, phase=Phase.SWITCHING, gates=here.gates | {Gate.SWITCH_OVER})  # cut off half-way
    if here.phase in AGAIN:
        yield None, here.again_from(AGAIN[here.phase])


@pytest.fixture(scope="module")
def walked() -> list[tuple[Standing, Row | None, Standing]]:
    """Every step that can be made within the depth, breadth first, each once."""
    seen = {Standing()}
    edges = []
    queue = deque([(Standing(), 0)])
    while queue:
        here, depth = queue.popleft()
        if depth == DEPTH:
            continue
        for row, there in steps_from(here):
            edges.append((here, row, there))
            if there not in seen:
                seen.add(there)
                queue.append((there, depth + 1))
    return edges


Walked = list[tuple[Standing, Row | None, Standing]]


def test_every_phase_is_reached(walked: Walked) -> None:
    assert {there.phase for _, _, there in walked} | {Phase.PLANNED} == set(Phase)


def test_nobody_is_sent_without_freeze_final_sync_and_proof(walked: Walked) -> None:
    entering = [(here, there) for here, _, there in walked if there.phase in (Phase.SWITCHING, Phase.SWITCHED_OVER)]
    assert entering
    for here, there in entering:
        assert here.is_frozen, here
        assert here.is_proven, here
        assert {Gate.FREEZE, Gate.SWITCH_OVER} <= there.gates, there


def test_verified_means_proven_under_this_freeze(walked: Walked) -> None:
    assert all(there.is_proven for _, _, there in walked if there.phase is Phase.VERIFIED)


def test_once_users_may_be_at_the_target_only_a_fall_back_leads_back(walked: Walked) -> None:
    for here, row, there in walked:
        if here.phase is Phase.SWITCHED_OVER and not there.phase.is_at_least(Phase.SWITCHED_OVER):
            assert row in BACK_AFTER_THE_SWITCH, (here, row)
            assert there.phase is Phase.SEEDED
        if here.phase is Phase.SWITCHING and there.phase is Phase.SEEDED:
            assert row in BACK_AFTER_THE_SWITCH, (here, row)


def test_what_is_accepted_never_goes_back(walked: Walked) -> None:
    for here, _, there in walked:
        if here.phase.is_at_least(Phase.ACCEPTED):
            assert there.phase.is_at_least(here.phase)


def test_going_back_never_forgets_what_was_copied(walked: Walked) -> None:
    for here, _, there in walked:
        if here.phase.is_at_least(Phase.SEEDED):
            assert there.phase.is_at_least(Phase.SEEDED)


def test_no_phase_but_the_last_is_a_dead_end_and_each_leads_to_it(walked: Walked) -> None:
    leads = {Phase.DECOMMISSIONED}
    for _ in Phase:
        leads |= {here.phase for here, _, there in walked if there.phase in leads}
    assert leads == set(Phase)
    assert not list(steps_from(Standing(Phase.DECOMMISSIONED)))


def test_each_way_back_has_a_gate_of_its_own(walked: Walked) -> None:
    thawing = [row for here, row, there in walked if here.is_frozen and there.phase is Phase.SEEDED and row is not None]
    assert {row.gate for row in thawing} == {Gate.ROLL_BACK, Gate.FALL_BACK, Gate.ACCEPT_LOSS}
