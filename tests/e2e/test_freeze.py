"""The freeze: how long it lasts is told wherever somebody looks, and whoever gives it up is thawed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.moves import NAME, Move
from tests.support.plans import flag_freeze


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    move.source.mkdir()
    (move.source / "file").write_text("content")
    return move


def test_the_age_of_a_freeze_is_told_by_status_and_by_every_refusal(move: Move) -> None:
    cli = move.cli()
    assert "FROZEN" not in cli("run").stdout
    cli("run", "--until", "verified", "--yes")
    assert "FROZEN for" in cli("status").stdout
    assert cli.applications()[NAME]["frozen_for_seconds"] > 0
    assert "FROZEN for" in cli("run").stdout, "also where it only waits"
    (move.source / "late").write_text("written under freeze")
    refused = cli("run", "--yes", expect=4).stderr
    assert "FROZEN for" in refused
    assert "`migrator roll-back`, which thaws" in refused
    cli("roll-back", "--yes")
    assert "FROZEN" not in cli("status").stdout
    assert cli.applications()[NAME]["frozen_for_seconds"] is None


def test_the_age_counts_from_when_the_hook_was_called(move: Move) -> None:
    slow = {**flag_freeze(move.frozen), "apply": ["sh", "-c", f"touch {move.frozen}; sleep 1.5"]}
    cli = move.cli(freeze=slow)
    cli("run", "--until", "frozen", "--yes")
    assert cli.applications()[NAME]["frozen_for_seconds"] > 1.5


@pytest.mark.parametrize("place", ["source", "target"])
def test_a_hook_may_run_at_the_source_or_at_the_target(place: str, move: Move) -> None:
    cli = move.cli(freeze={**flag_freeze(move.frozen), "on": place})
    cli("run", "--until", "frozen", "--yes")
    assert move.frozen.exists()
    cli("roll-back", "--yes")
    assert not move.frozen.exists()


@pytest.mark.parametrize("status", ["0", "1"])
def test_a_freeze_that_fails_is_taken_back_at_once(status: str, move: Move) -> None:
    """The hook does its work and then fails, or is fine where the probe looks at something else."""
    half = f"touch {move.frozen}; touch {move.folder}/stopped-mail; exit {status}"
    undo = f"echo undone >> {move.folder}/log; rm -f {move.frozen} {move.folder}/stopped-mail"
    probe = "exit 1" if status == "0" else f"test -e {move.frozen}"
    hooks = {
        "on": "here",
        "apply": ["sh", "-c", half],
        "probe": ["sh", "-c", probe],
        "undo": ["sh", "-c", undo],
    }
    cli = move.cli(freeze=hooks)
    cli("run", "--yes", expect=4)
    assert cli.phases() == {NAME: "seeded"}
    if status == "1":
        assert (move.folder / "log").read_text() == "undone\n"
        assert not move.frozen.exists()
    assert "FROZEN" not in cli("status").stdout


def test_a_freeze_that_nobody_can_ask_about_is_told_as_perhaps(move: Move) -> None:
    """The probe breaks once the hook was called: nothing may act on it, and nobody may forget it."""
    broken = move.folder / "broken"
    hooks = {
        "on": "here",
        "apply": ["touch", str(move.frozen), str(broken)],
        "probe": ["sh", "-c", f"test -e {broken} && exit 3; test -e {move.frozen}"],
        "undo": ["rm", "-f", str(move.frozen)],
    }
    cli = move.cli(freeze=hooks)
    outcome = cli("run", "--yes", expect=4)
    assert "could not be thawed" in outcome.stderr
    assert "perhaps FROZEN for" in cli("status").stdout
    assert cli.applications()[NAME]["frozen_for_seconds"] > 0
    broken.unlink()
    cli("roll-back", "--yes")
    assert not move.frozen.exists()
    assert "FROZEN" not in cli("status").stdout
