"""Gates that a plan adds: each needs its own yes before the switch, and none of ours can be left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.support.moves import NAME, Move


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    move.source.mkdir()
    (move.source / "ledger").write_text("1 2 3")
    return move


@pytest.fixture
def cli(move: Move) -> Cli:
    return move.cli(gates=["month-closed", "board"])


def test_each_added_gate_needs_its_own_yes_in_the_order_of_the_plan(move: Move, cli: Cli) -> None:
    steps = cli("plan", "--json").events("application.planned")[0]["steps"]
    where = [steps.index(f"gate: {gate}") for gate in ("month-closed", "board", "switch-over")]
    assert where == [where[0], where[0] + 1, where[0] + 2]
    assert steps.index("verify") < where[0]

    for gate, other in (("month-closed", "board"), ("board", "month-closed")):
        waiting = cli("run", "--yes", "--json").events("gate.waiting")
        assert [event["gate"] for event in waiting] == [gate], "`--yes` covers none that the plan adds"
        assert cli.phases() == {NAME: "verified"}
        assert move.is_untouched
        status = cli("status")
        assert f"gate `{gate}`" in status.stdout
        assert f"approve {cli.plan} {gate}" in status.stdout
        assert f"gate `{other}`" not in status.stdout
        outcome = cli("run", "--yes", "--until", "switched-over", expect=4)
        assert f"approve {cli.plan} {gate}" in outcome.stderr
        cli("approve", gate)
    cli("run", "--yes")
    assert move.is_switched_over


def test_an_approval_of_an_added_gate_is_used_up_by_the_switch_it_opened(move: Move, cli: Cli) -> None:
    cli("run", "--yes")
    for gate in ("month-closed", "board"):
        cli("approve", gate)
    (move.source / "late").write_text("written under freeze")
    cli("run", "--yes", expect=4)  # the guard refuses: what did not open a switch still counts
    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}


def test_added_gates_stand_also_where_there_is_no_switch(move: Move) -> None:
    cli = move.cli(gates=["month-closed"], switch=[])
    cli("run", "--yes")
    assert cli.phases() == {NAME: "verified"}
    cli("approve", "month-closed")
    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}


def test_only_gates_of_the_plan_can_be_approved_and_each_is_named_once(move: Move, cli: Cli) -> None:
    assert "did you mean `month-closed`?" in cli("approve", "month-close", expect=2).stderr
    assert "stands twice" in move.cli(gates=["board", "board"])("plan", "--offline", expect=11).stderr
    assert "is always there" in move.cli(gates=["freeze"])("plan", "--offline", expect=11).stderr
