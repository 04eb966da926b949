"""Phases, gates, approvals, and the way back."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.support.moves import NAME, Move
from tests.support.plans import flag_freeze
from tests.support.trees import build_nasty, differences

UNTIL = ("checked", "seeded", "frozen", "synced", "verified", "switched-over")


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_nasty(bytes(move.source))
    return move


@pytest.fixture
def cli(move: Move) -> Cli:
    return move.cli()


def test_without_an_approval_a_run_stops_before_the_freeze(move: Move, cli: Cli) -> None:
    outcome = cli("run", "--json")
    assert [event["gate"] for event in outcome.events("gate.waiting")] == ["freeze"]
    assert cli.phases() == {NAME: "seeded"}
    assert not move.frozen.exists()
    assert differences(move.source, move.target) == []
    standing = cli.applications()[NAME]
    assert standing["gate"] == "freeze"
    assert "freeze" in standing["waits_for"]
    assert "freeze" in cli("status").stdout


def test_a_goal_beyond_a_closed_gate_is_refused(move: Move, cli: Cli) -> None:
    outcome = cli("run", "--until", "frozen", expect=4)
    assert "freeze" in outcome.stderr + outcome.stdout
    assert cli.phases() == {NAME: "seeded"}
    assert not move.frozen.exists()


def test_every_phase_is_a_place_to_stop(move: Move, cli: Cli) -> None:
    for phase in UNTIL:
        cli("run", "--until", phase, "--yes")
        assert cli.phases() == {NAME: phase}
        assert move.frozen.exists() == (phase not in ("checked", "seeded"))
        assert move.is_switched_over == (phase == "switched-over")
    for phase in UNTIL:
        outcome = cli("run", "--until", phase, "--yes", "--json")
        assert outcome.events("step.started") == [], "beyond its goal already, there is nothing to do"


def test_each_gate_opens_with_its_own_approval(move: Move, cli: Cli) -> None:
    cli("approve", "freeze")
    cli("run")
    assert cli.phases() == {NAME: "verified"}
    assert move.is_untouched
    cli("approve", "switch-over")
    cli("run")
    assert cli.phases() == {NAME: "switched-over"}
    assert move.is_switched_over
    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}, "--yes never accepts"
    cli("accept")
    assert cli.phases() == {NAME: "accepted"}
    assert cli("run", "--json").events("step.started") == []


def test_an_approval_counts_in_its_time_only(move: Move, cli: Cli) -> None:
    assert "over already" in cli("approve", "freeze", "--not-after", "2018-07-01T12:00", expect=2).stderr
    cli("approve", "freeze", "--not-before", "2999-01-01T00:00")
    cli("run")
    assert cli.phases() == {NAME: "seeded"}
    cli("approve", "freeze", "--not-before", "2018-07-01T12:00", "--not-after", "2999-01-01T00:00")
    cli("run")
    assert cli.phases() == {NAME: "verified"}


def test_a_gate_that_nothing_comes_to_cannot_be_approved(move: Move) -> None:
    outcome = move.cli(switch=[])("approve", "switch-over", expect=2)
    assert "has a gate `switch-over`" in outcome.stderr


def test_accepting_before_the_switch_is_refused(cli: Cli) -> None:
    cli("run", "--until", "verified", "--yes")
    cli("accept", expect=4)
    assert cli.phases() == {NAME: "verified"}


@pytest.mark.parametrize("phase", ["frozen", "synced", "verified"])
def test_rolling_back_thaws_and_keeps_what_was_copied(phase: str, move: Move, cli: Cli) -> None:
    cli("run", "--until", phase, "--yes")
    cli("roll-back", expect=4)
    assert cli.phases() == {NAME: phase}, "going back needs a yes"
    cli("roll-back", "--yes")
    assert cli.phases() == {NAME: "seeded"}
    assert not move.frozen.exists()
    assert differences(move.source, move.target) == []
    cli("roll-back", "--yes")  # a second time there is nothing to do

    cli("run")
    assert cli.phases() == {NAME: "seeded"}, "the approval of the freeze was for the freeze before"
    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}
    assert move.is_switched_over


def test_after_the_switch_there_is_no_rolling_back(move: Move, cli: Cli) -> None:
    cli("run", "--yes")
    cli("roll-back", "--yes", expect=4)
    assert cli.phases() == {NAME: "switched-over"}
    assert move.frozen.exists()
    assert move.is_switched_over


def test_plan_shows_the_way_and_changes_nothing(move: Move, cli: Cli) -> None:
    outcome = cli("plan", "--json")
    planned = outcome.events("application.planned")
    assert [line["application"] for line in planned] == [NAME]
    assert "gate: freeze" in planned[0]["steps"]
    assert not move.target.exists()
    assert move.is_untouched
    assert cli("plan", "--detailed-exitcode", expect=12).stdout
    cli("run", "--yes")
    cli("accept")
    cli("plan", "--detailed-exitcode", expect=0)


def test_plan_offline_makes_no_state(move: Move, cli: Cli) -> None:
    cli("plan", "--offline")
    assert not cli.state.exists()
    assert not move.target.exists()


def test_a_dry_run_does_nothing(move: Move, cli: Cli) -> None:
    cli("run", "--dry-run", "--yes")
    assert not move.target.exists()
    assert move.is_untouched
    assert not move.frozen.exists()


@pytest.mark.parametrize("answer", ["3", "255"])
def test_a_probe_that_does_not_know_stops_for_a_human(answer: str, move: Move) -> None:
    script = f"echo asked >> {move.folder}/probed; exit {answer}"
    unknown = {"on": "here", "apply": ["touch", str(move.frozen)], "probe": ["sh", "-c", script], "undo": ["true"]}
    cli = move.cli(freeze=unknown)
    cli("run", "--yes", expect=4)
    assert cli.phases() == {NAME: "seeded"}
    assert not move.frozen.exists(), "unknown is never taken for `not in place`"
    assert (move.folder / "probed").exists()


def test_a_switch_has_not_begun_before_its_intent(move: Move) -> None:
    """Its probe cannot tell: nobody was sent anywhere, so the gates are asked again, and there is a way back."""
    doubt = move.folder / "doubt"
    doubt.touch()
    switch = flag_freeze(move.switched)
    switch["probe"] = ["sh", "-c", f"test -e {doubt} && exit 3; test -e {move.switched}"]
    cli = move.cli(switch=[{"command": switch}])
    cli("approve", "freeze")
    cli("approve", "switch-over")
    cli("run", expect=4)
    assert cli.phases() == {NAME: "verified"}
    cli("roll-back", "--yes")
    assert not move.frozen.exists()
    doubt.unlink()
    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}


def test_a_switch_that_fails_leaves_the_earlier_ones_and_goes_on_later(move: Move) -> None:
    door = move.folder / "door"
    second = {
        "command": {
            "on": "here",
            "apply": ["sh", "-c", f"test -e {door} && touch {move.switched}"],
            "probe": ["test", "-e", str(move.switched)],
            "undo": ["rm", "-f", str(move.switched)],
        }
    }
    first = move.application()["switch"][0]
    cli = move.cli(switch=[first, second])
    cli("run", "--yes", expect=4)
    assert cli.phases() == {NAME: "switching"}
    assert move.link.is_symlink()
    door.touch()
    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}
    assert move.is_switched_over


def test_phases_never_skip_a_step(move: Move, cli: Cli) -> None:
    outcome = cli("run", "--yes", "--json")
    steps = [key for key, _ in itertools.groupby(event["step"] for event in outcome.events("step.ended"))]
    assert steps == ["preflight", "seed", "catch-up", "freeze", "final-sync", "verify", "switch-over"]
