"""What is in place stays in the plan as it is, for as long as somebody may want it taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cli import Cli
from tests.support.moves import NAME, Move
from tests.support.plans import flag_freeze, local, write_plan
from tests.support.trees import build_many

Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_many(bytes(move.source), 3)
    return move


def rewrite(cli: Cli, change: Change) -> None:
    """Change the application in the plan."""
    plan = yaml.safe_load(cli.plan.read_text())
    change(plan["waves"][0]["applications"][0])
    cli.plan.write_text(yaml.dump(plan))


def without_freeze(application: dict[str, Any]) -> None:
    del application["freeze"]


def without_switches(application: dict[str, Any]) -> None:
    application["switch"] = []


def with_one_switch(application: dict[str, Any]) -> None:
    del application["switch"][1]


def in_another_order(application: dict[str, Any]) -> None:
    application["switch"].reverse()


def with_another_link(application: dict[str, Any]) -> None:
    application["switch"][0]["symlink"]["link"] += "-2"


def by_another_name(application: dict[str, Any]) -> None:
    application["name"] = "annuaire"


@pytest.mark.parametrize(
    ("phase", "back", "changes"),
    [
        ("frozen", "roll-back", {without_freeze: "freeze is in place", by_another_name: "freeze is in place"}),
        (
            "switched-over",
            "fall-back",
            {
                without_freeze: "freeze is in place",
                without_switches: "switch 1 (symlink) is in place",
                with_one_switch: "switch 2 (command) is in place",
                in_another_order: "no longer says how to take it back",
                with_another_link: "current-2",
                by_another_name: "is in place",
            },
        ),
    ],
)
def test_it_cannot_be_taken_out(phase: str, back: str, changes: dict[Change, str], move: Move) -> None:
    cli = move.cli()
    cli("run", "--until", phase, "--yes")
    as_it_was = cli.plan.read_text()
    for change, said in changes.items():
        rewrite(cli, change)
        refusal = " ".join(cli("plan", "--accept-changes", expect=7).stderr.split())
        assert said in refusal
        assert f"migrator {back} " in refusal
        cli.plan.write_text(as_it_was)
    cli(back, "--yes")
    assert move.is_untouched
    assert not move.frozen.exists()
    rewrite(cli, without_freeze)
    cli("plan", "--accept-changes")


def test_who_needs_what_goes_back_is_told(move: Move) -> None:
    second = {
        "name": "annuaire",
        "needs": [NAME],
        "datasets": [{"name": "files", "source": f"old:{move.source}", "target": f"new:{move.folder}/new"}],
    }
    cli = move.cli(second)
    cli("run", "--yes")
    told = cli("fall-back", "--application", NAME, "--yes").stderr
    assert "annuaire: needs `portail`, and stays at the target" in told
    assert cli.phases() == {NAME: "seeded", "annuaire": "switched-over"}


def test_what_undoes_it_can_be_mended(move: Move) -> None:
    broken = flag_freeze(move.switched)
    broken["undo"] = ["false"]
    cli = move.cli(switch=[{"command": broken}])
    cli("run", "--yes")
    cli("fall-back", "--yes", expect=4)
    cli = move.cli(switch=[{"command": flag_freeze(move.switched)}])
    cli("plan", "--accept-changes")
    cli("fall-back", "--yes")
    assert cli.phases() == {NAME: "seeded"}
    assert not move.switched.exists()


def test_accepted_it_may_go(move: Move) -> None:
    cli = move.cli()
    cli("run", "--yes")
    cli("accept")
    other = {
        "name": "annuaire",
        "datasets": [{"name": "files", "source": f"old:{move.folder}/other", "target": f"new:{move.folder}/new"}],
    }
    write_plan(cli.plan, {"old": local(), "new": local()}, other)
    cli("plan", "--accept-changes", expect=10)  # it has no source; what was accepted does not hold it up
    cli("run", "--until", "seeded", expect=10)
