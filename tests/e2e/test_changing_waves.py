"""An application is taken out of a wave that is under way, into the next, and keeps what was copied."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.support.cli import Cli
from tests.support.moves import NAME, Move, footprint
from tests.support.plans import application
from tests.support.trees import build_many

OTHER = "annuaire"


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_many(bytes(move.source), 10)
    build_many(bytes(tmp_path / "other"), 3)
    return move


@pytest.fixture
def cli(move: Move) -> Cli:
    other = application(OTHER, f"old:{move.folder / 'other'}", f"new:{move.folder / 'other-target'}")
    return move.cli(other)


def put_off(cli: Cli, name: str) -> None:
    """Change the plan: the application goes from the first wave into a new one, `august`."""
    plan = yaml.safe_load(cli.plan.read_text(encoding="utf-8"))
    july = plan["waves"][0]
    moved = next(each for each in july["applications"] if each["name"] == name)
    july["applications"].remove(moved)
    plan["waves"].append({"name": "august", "applications": [moved]})
    cli.plan.write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8")


def test_what_was_copied_is_kept_in_the_next_wave(move: Move, cli: Cli) -> None:
    seeded = cli("run", "--until", "seeded", "--json")
    assert len(seeded.events("item.acknowledged")) >= 13
    copied = {path: facts[:3] for path, facts in footprint(move.target).items()}
    put_off(cli, NAME)
    told = cli("run", "--wave", "july", "--yes", expect=7)
    assert f"application `{NAME}` moved from wave `july` to wave `august`" in told.stderr
    accepted = cli("plan", "--accept-changes")
    assert "starts again" not in accepted.stdout + accepted.stderr
    cli("run", "--wave", "july", "--yes")
    assert cli.phases() == {OTHER: "switched-over", NAME: "seeded"}
    assert not move.frozen.exists(), "the wave went on without it"
    ran = cli("run", "--wave", "august", "--yes", "--json")
    assert cli.phases()[NAME] == "switched-over"
    assert ran.events("item.acknowledged") == []
    assert {path: facts[:3] for path, facts in footprint(move.target).items()} == copied, "no file was written again"


def test_a_frozen_application_can_be_put_off_after_a_roll_back(move: Move, cli: Cli) -> None:
    cli("run", "--until", "frozen", "--yes")
    copied = {path: facts[:3] for path, facts in footprint(move.target).items()}
    cli("roll-back", "--application", NAME, "--yes")
    put_off(cli, NAME)
    cli("plan", "--accept-changes")
    cli("run", "--wave", "july", "--yes")
    assert cli.phases() == {OTHER: "switched-over", NAME: "seeded"}
    assert {path: facts[:3] for path, facts in footprint(move.target).items()} == copied
