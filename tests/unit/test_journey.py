"""One application along its itinerary: real journals, real approvals and real locks; only the steps are stand-ins."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from migrator import planfile
from migrator.domain.events import Event, GateWaiting, StepEnded
from migrator.domain.phases import COVERED_BY_YES, Gate, Phase
from migrator.domain.stopping import Stop
from migrator.errors import Incomplete, Refused, SourceMoved
from migrator.journal.application import ApplicationJournal
from migrator.journal.folder import StateFolder
from migrator.journal.journal import Journal
from migrator.movers.budget import Budgets
from migrator.movers.pool import MoverPool
from migrator.orchestration import itinerary, journey
from migrator.orchestration.gates import Gates, new_approval
from migrator.orchestration.itinerary import Row
from migrator.orchestration.journey import Journey
from migrator.steps.hosts import Hosts
from migrator.steps.scene import Scene
from tests.support.plans import application, flag_freeze, link_switch, local, write_plan

Act = Callable[[Scene], None]
WHOLE_WAY = ["preflight", "seed", "catch-up", "freeze", "final-sync", "verify", "switch-over"]


@dataclass
class Trip:
    """An application to travel with, and the diary of its steps."""

    folder: Path
    acts: dict[str, Act] = field(default_factory=dict)  # what a step does instead of nothing
    steps: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.joinpath("source").mkdir(exist_ok=True)
        keys = {
            "freeze": flag_freeze(self.folder / "frozen"),
            "switch": [link_switch(self.folder / "link", self.folder)],
        }
        portail = application("portail", f"old:{self.folder}/source", f"new:{self.folder}/target", **keys)
        path = write_plan(self.folder / "plan.yaml", {"old": local(), "new": local()}, portail)
        self.plan = planfile.load(path)
        self.state = StateFolder(self.folder / "state", self.plan.migration)
        self.journal = ApplicationJournal.open(self.state, "portail")

    def journey(self, *granted: Gate, until: Phase | None = None, needs: str | None = None) -> Journey:
        specs = {spec.name: spec for spec in self.plan.endpoints}
        (portail,) = self.plan.applications
        hosts, pool = Hosts(specs, Budgets(specs)), MoverPool(1, specs)
        scene = Scene(self.plan, portail, self.journal, hosts, pool, self.events.append, Stop(), holder="test")
        gates = Gates(self.plan, Journal.open(self.state), "Ada", frozenset(granted))
        return Journey(scene, gates, "run-1", until, lambda: needs)

    def approve(self, gate: Gate, not_after: dt.datetime | None = None) -> None:
        (portail,) = self.plan.applications
        Journal.open(self.state).approve(new_approval(self.plan, gate, portail, "Ada", (None, not_after)))

    def stand_in(self, row: Row) -> Row:
        """The same row, with a step that only writes its name down."""

        def act(scene: Scene) -> None:
            self.steps.append(row.step)
            if row.step in self.acts:
                self.acts[row.step](scene)

        return replace(row, act=act, writes=False)


@pytest.fixture
def trip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trip]:
    trip = Trip(tmp_path)

    def way_on(phase: Phase) -> Row | None:
        row = itinerary.next_row(phase)
        return None if row is None else trip.stand_in(row)

    def way_back(phase: Phase) -> Row | None:
        row = itinerary.way_back(phase)
        return None if row is None else trip.stand_in(row)

    monkeypatch.setattr(journey, "next_row", way_on)
    monkeypatch.setattr(journey, "way_back", way_back)
    for name in ("CATCH_UP", "CATCH_UP_UNTIL_SMALL"):
        monkeypatch.setattr(journey, name, trip.stand_in(getattr(itinerary, name)))
    yield trip
    trip.journal.close()


def test_it_goes_as_far_as_approvals_allow(trip: Trip) -> None:
    halt = trip.journey().advance()
    assert halt is not None
    assert halt.gate is Gate.FREEZE
    assert trip.steps == ["preflight", "seed"]
    assert [event.gate for event in trip.events if isinstance(event, GateWaiting)] == [Gate.FREEZE]
    halt = trip.journey(*COVERED_BY_YES).advance()
    assert halt is not None
    assert halt.gate is Gate.ACCEPT
    assert trip.steps == WHOLE_WAY
    assert trip.journal.phase is Phase.SWITCHED_OVER


def test_until_seeded_is_exactly_one_more_pass(trip: Trip) -> None:
    trip.journey(until=Phase.SEEDED).advance()
    assert trip.steps == ["preflight", "seed"]
    trip.journey(until=Phase.SEEDED).advance()
    assert trip.steps == ["preflight", "seed", "catch-up"]


@pytest.mark.parametrize("goal", [Phase.CHECKED, Phase.SEEDED, Phase.FROZEN])
def test_beyond_its_goal_it_does_nothing(goal: Phase, trip: Trip) -> None:
    trip.journey(*COVERED_BY_YES, until=Phase.SYNCED).advance()
    trip.steps.clear()
    assert trip.journey(until=goal).advance() is None
    assert trip.steps == []


def test_a_half_done_switch_is_never_beyond_its_goal(trip: Trip) -> None:
    trip.journal.move(Phase.SWITCHING, "for the test")
    trip.journey(until=Phase.VERIFIED).advance()
    assert trip.journal.phase is Phase.SWITCHED_OVER, "users may be half-way, so it is finished first"


def test_an_approval_that_runs_out_during_the_catch_up_freezes_nothing(trip: Trip) -> None:
    trip.approve(Gate.FREEZE, not_after=dt.datetime.now(dt.UTC) + dt.timedelta(seconds=4))

    def long_pass(scene: Scene) -> None:
        del scene
        end = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=4.1)
        while dt.datetime.now(dt.UTC) < end:
            Stop().wait(0.05)

    trip.acts["catch-up"] = long_pass
    halt = trip.journey().advance()
    assert halt is not None
    assert halt.gate is Gate.FREEZE
    assert trip.steps == ["preflight", "seed", "catch-up"]


def test_an_approval_that_runs_out_during_the_guard_sends_nobody(trip: Trip) -> None:
    end = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=60)
    trip.approve(Gate.SWITCH_OVER, not_after=end)
    asked: list[str] = []

    def long_guard(scene: Scene) -> None:
        scene.before_switching()
        asked.append("in time")
        trip.plan = replace(trip.plan, digest="0" * 64)  # as good as an approval that is over
        scene.plan = trip.plan
        scene.before_switching()
        asked.append("too late")

    trip.acts["switch-over"] = long_guard
    with pytest.raises(Refused, match="has just run out"):
        trip.journey(Gate.FREEZE).advance()
    assert asked == ["in time"]
    assert trip.journal.phase is Phase.VERIFIED


def test_an_approval_serves_once(trip: Trip) -> None:
    trip.approve(Gate.FREEZE)
    trip.journey(until=Phase.VERIFIED).advance()
    trip.journey(Gate.ROLL_BACK).roll_back()
    with pytest.raises(Refused, match="freeze"):
        trip.journey(until=Phase.FROZEN).advance()


def test_a_freeze_that_failed_has_not_used_its_approval_up(trip: Trip) -> None:
    trip.approve(Gate.FREEZE)

    def stumble(scene: Scene) -> None:
        raise Refused("the probe does not know")

    trip.acts["freeze"] = stumble
    with pytest.raises(Refused, match="probe"):
        trip.journey().advance()
    assert trip.journal.phase == "seeded"
    del trip.acts["freeze"]
    trip.journey(until=Phase.FROZEN).advance()
    assert trip.journal.phase == "frozen"


def test_an_approval_of_another_plan_counts_for_nothing(trip: Trip) -> None:
    trip.approve(Gate.FREEZE)
    trip.plan = replace(trip.plan, digest="0" * 64)
    halt = trip.journey().advance()
    assert halt is not None
    assert halt.gate is Gate.FREEZE


@pytest.mark.parametrize("step", ["verify", "switch-over"])
def test_a_source_that_moved_sends_it_back_to_its_freeze(step: str, trip: Trip) -> None:
    def moved(scene: Scene) -> None:
        raise SourceMoved("`a` changed")

    trip.acts[step] = moved
    with pytest.raises(SourceMoved):
        trip.journey(*COVERED_BY_YES).advance()
    assert trip.journal.phase is Phase.FROZEN
    ended = [event for event in trip.events if isinstance(event, StepEnded)][-1]
    assert (ended.step, ended.phase, ended.error) == (step, Phase.FROZEN, "`a` changed")
    del trip.acts[step]
    trip.steps.clear()
    trip.journey(*COVERED_BY_YES).advance()
    assert trip.steps == ["final-sync", "verify", "switch-over"]


@pytest.mark.parametrize("step", WHOLE_WAY)
def test_a_failure_is_an_event_and_no_phase(step: str, trip: Trip) -> None:
    def fail(scene: Scene) -> None:
        raise Incomplete("1 items failed")

    trip.acts[step] = fail
    with pytest.raises(Incomplete):
        trip.journey(*COVERED_BY_YES).advance()
    stood_at = trip.journal.phase
    attempt = trip.journal.attempts(1)[0]
    assert (attempt.step, attempt.error) == (step, "1 items failed")
    assert itinerary.next_row(stood_at) is not None
    trip.acts.clear()
    trip.steps.clear()
    trip.journey(*COVERED_BY_YES).advance()
    assert trip.steps[-1] == "switch-over"
    assert trip.steps[0] in (step, "catch-up")


def test_without_hook_and_switch_there_is_nothing_to_approve(trip: Trip, tmp_path: Path) -> None:
    trip.journal.close()
    bare = application("portail", f"old:{tmp_path}/source", f"new:{tmp_path}/target")
    trip.plan = planfile.load(write_plan(tmp_path / "bare.yaml", {"old": local(), "new": local()}, bare))
    trip.journal = ApplicationJournal.open(trip.state, "portail")
    halt = trip.journey().advance()
    assert halt is not None
    assert halt.gate is Gate.ACCEPT
    assert trip.steps == WHOLE_WAY


def test_what_it_needs_holds_it_before_the_freeze_and_not_before(trip: Trip) -> None:
    waiting = "waits until `annuaire` is switched over"
    halt = trip.journey(*COVERED_BY_YES, needs=waiting).advance()
    assert halt is not None
    assert (halt.sentence, halt.gate) == (waiting, None)
    assert trip.steps == ["preflight", "seed"]
    with pytest.raises(Refused, match="annuaire"):
        trip.journey(*COVERED_BY_YES, until=Phase.FROZEN, needs=waiting).advance()


def test_a_soak_that_is_not_over_stops_a_run_and_refuses_a_goal(trip: Trip) -> None:
    trip.journey(*COVERED_BY_YES).advance()
    (portail,) = trip.plan.applications
    soaking = trip.journey(Gate.ACCEPT)
    soaking.scene.application = replace(portail, soak=dt.timedelta(hours=48))
    halt = soaking.advance()
    assert halt is not None
    assert "soaks until" in halt.sentence
    soaking.until = Phase.ACCEPTED
    for act in (soaking.advance, soaking.accept):
        with pytest.raises(Refused, match="soaks until"):
            act()
    assert trip.journal.phase == "switched-over"
    soaking.scene.application = portail
    assert soaking.accept() is None
    assert trip.journal.phase == "accepted"


@pytest.mark.parametrize("phase", [Phase.FROZEN, Phase.SYNCED, Phase.VERIFIED])
def test_rolling_back_needs_a_yes_and_is_done_once(phase: Phase, trip: Trip) -> None:
    trip.journey(*COVERED_BY_YES, until=phase).advance()
    with pytest.raises(Refused, match="roll-back"):
        trip.journey().roll_back()
    assert trip.journal.phase is phase
    trip.journey(Gate.ROLL_BACK).roll_back()
    assert trip.journal.phase is Phase.SEEDED
    assert trip.journal.frozen_at is None


def test_before_the_seed_there_is_nothing_to_roll_back(trip: Trip) -> None:
    trip.journey().roll_back()
    trip.journey(until=Phase.CHECKED).advance()
    trip.journey().roll_back()
    assert trip.steps == ["preflight"]


@pytest.mark.parametrize("phase", [Phase.SWITCHING, Phase.SWITCHED_OVER, Phase.ACCEPTED])
def test_once_a_switch_has_begun_only_a_fall_back_leads_back(phase: Phase, trip: Trip) -> None:
    trip.journal.move(phase, "for the test")
    with pytest.raises(Refused, match="fall back"):
        trip.journey(*COVERED_BY_YES).roll_back()
    assert trip.journal.phase is phase


def test_retiring_the_source_takes_its_own_yes_and_what_is_accepted(trip: Trip) -> None:
    with pytest.raises(Refused, match="only what is accepted"):
        trip.journey(Gate.DECOMMISSION, until=Phase.DECOMMISSIONED).decommission()
    trip.journal.move(Phase.ACCEPTED, "for the test")
    with pytest.raises(Refused, match="gate `decommission`"):
        trip.journey(*COVERED_BY_YES, until=Phase.DECOMMISSIONED).advance()
    assert trip.journal.phase is Phase.ACCEPTED
    assert trip.journey(Gate.DECOMMISSION, until=Phase.DECOMMISSIONED).decommission() is None
    assert trip.journal.reached_at(Phase.DECOMMISSIONED) is not None


def test_a_verification_in_between_does_not_begin_the_soak_anew(trip: Trip, monkeypatch: pytest.MonkeyPatch) -> None:
    trip.journey(*COVERED_BY_YES).advance()
    switched_at = trip.journal.reached_at(Phase.SWITCHED_OVER)
    monkeypatch.setattr(journey, "verify_now", lambda *_, **__: None)
    trip.journey().verify(both_sides=False)
    assert trip.journal.reached_at(Phase.SWITCHED_OVER) == switched_at
