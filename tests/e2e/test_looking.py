"""`plan` and `run --dry-run`: they look, and neither change anything nor stand in a run's way."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.support.moves import NAME, Move, footprint
from tests.support.sshd import wait_for
from tests.support.trees import build_many


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_many(bytes(move.source), 30)
    return move


@pytest.fixture
def cli(move: Move) -> Cli:
    return move.cli()


def contents(state: Path) -> dict[Path, bytes]:
    """Every file of the state but SQLite's shared memory, in which readers leave their marks, and empty logs."""
    found = {path: path.read_bytes() for path in state.rglob("*") if path.is_file() and path.suffix != ".db-shm"}
    return {path: content for path, content in found.items() if content or path.suffix != ".db-wal"}


@pytest.mark.parametrize("look", [("plan",), ("plan", "--offline"), ("run", "--dry-run", "--yes"), ("status",)])
def test_looking_changes_neither_the_state_nor_the_target(look: tuple[str, ...], move: Move, cli: Cli) -> None:
    cli("run", "--until", "seeded")
    (move.source / "new").write_bytes(b"since the seed")
    state, target = contents(cli.state), footprint(move.target)
    cli(*look)
    assert contents(cli.state) == state
    assert footprint(move.target) == target


def test_a_plan_knows_what_is_left_while_a_run_is_under_way(move: Move) -> None:
    waiting, go = move.folder / "waiting", move.folder / "go"
    script = f"touch {waiting}; while ! test -e {go}; do sleep 0.05; done; touch {move.frozen}"
    freeze = {**move.application()["freeze"], "apply": ["sh", "-c", script]}
    cli = move.cli(freeze=freeze)
    with cli.started("run", "--yes") as run:
        wait_for(waiting.exists, "the run freezes", 60)
        (move.source / "new").write_bytes(b"since the seed")
        dataset = cli("plan", "--json").events("application.planned")[0]["datasets"][0]
        go.touch()
        assert run.wait(60) == 0
    assert (dataset["to_copy_items"], dataset["to_copy_bytes"]) == (2, 14), "the file, and the folder it changed"


def test_a_plan_that_is_looking_holds_no_run_up(move: Move, cli: Cli) -> None:
    cli("run", "--until", "seeded")
    build_many(bytes(move.source / "many"), 3000)
    with cli.started("plan", "--json") as plan:
        assert plan.stdout is not None
        plan.stdout.readline()  # the scan has begun
        os.kill(plan.pid, signal.SIGSTOP)
        cli("run", "--until", "seeded")
        os.kill(plan.pid, signal.SIGCONT)
        plan.stdout.read()
        assert plan.wait(60) == 0
    assert cli.phases() == {NAME: "seeded"}
