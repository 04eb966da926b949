"""A source that was thawed behind our back: by hand, by a reboot, by a watchdog. Nobody is sent to the target then."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.moves import NAME, Move
from tests.support.plans import flag_freeze
from tests.support.trees import build_many


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_many(bytes(move.source), 3)
    return move


@pytest.mark.parametrize("phase", ["frozen", "verified"])
def test_it_refuses_the_switch_although_no_file_changed(phase: str, move: Move) -> None:
    cli = move.cli()
    cli("run", "--until", phase, "--yes")
    move.frozen.unlink()
    outcome = cli("run", "--yes", expect=4)
    assert "the source of `portail` is no longer frozen" in outcome.stderr
    assert cli.phases() == {NAME: "verified"}
    assert move.is_untouched
    cli("roll-back", "--yes")
    cli("run", "--yes")
    assert move.frozen.exists()
    assert move.is_switched_over


def test_a_probe_that_no_longer_knows_refuses_it_too(move: Move) -> None:
    broken = move.folder / "broken"
    probe = ["sh", "-c", f"test -e {broken} && exit 3; test -e {move.frozen}"]
    cli = move.cli(freeze={**flag_freeze(move.frozen), "probe": probe})
    cli("run", "--until", "verified", "--yes")
    broken.touch()
    assert "not known whether the source" in cli("run", "--yes", expect=4).stderr
    assert move.is_untouched
    broken.unlink()
    cli("run", "--yes")
    assert move.is_switched_over


def test_what_is_half_switched_goes_on(move: Move) -> None:
    """Users may be at the target: the way forward is the short one."""
    door = move.folder / "door"
    second = flag_freeze(move.switched)
    second["apply"] = ["sh", "-c", f"test -e {door} && touch {move.switched}"]
    cli = move.cli(switch=[move.application()["switch"][0], {"command": second}])
    cli("run", "--yes", expect=4)
    assert cli.phases() == {NAME: "switching"}
    move.frozen.unlink()
    door.touch()
    cli("run", "--yes")
    assert move.is_switched_over
