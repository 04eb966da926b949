"""Smoke checks around the switch: what fails before it keeps it from beginning, what fails after it holds `accept`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.support.moves import NAME, Move
from tests.support.web import Reply, serving


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    move.source.mkdir()
    (move.source / "index.html").write_text("Bienvenue")
    return move


def cli_for(move: Move, when: str) -> Cli:
    """The check wants a file that says that the application is well."""
    check = {"on": "here", "argv": ["test", "-e", str(move.folder / "well")], "when": when, "timeout": "1 s"}
    return move.cli(checks=[{"command": check}])


def test_a_check_that_fails_before_the_switch_refuses_it(move: Move) -> None:
    cli = cli_for(move, "always")
    outcome = cli("run", "--until", "switched-over", "--yes", "--json", expect=4)
    assert [(event["moment"], event["has_passed"]) for event in outcome.events("check.made")] == [("before", False)]
    assert cli.phases() == {NAME: "verified"}
    assert move.is_untouched
    standing = cli.applications()[NAME]
    assert [(each["check"], each["has_passed"]) for each in standing["checks"]] == [("check 1 (command)", False)]
    assert "check 1 (command) before the switch FAILED" in cli("status").stdout
    (move.folder / "well").touch()
    outcome = cli("run", "--until", "switched-over", "--yes", "--json")
    assert [(event["moment"], event["has_passed"]) for event in outcome.events("check.made")] == [
        ("before", True),
        ("after", True),
    ]
    assert move.is_switched_over
    cli("accept")
    assert cli.phases() == {NAME: "accepted"}


def test_a_check_that_fails_after_the_switch_holds_accept(move: Move) -> None:
    cli = cli_for(move, "after")
    outcome = cli("run", "--yes", "--json", expect=4)
    assert [(event["moment"], event["has_passed"]) for event in outcome.events("check.made")] == [("after", False)]
    assert cli.phases() == {NAME: "switched-over"}, "the last switch's probe said yes"
    assert move.is_switched_over
    outcome = cli("run", "--until", "switched-over", "--yes", expect=4)
    assert "does not pass its checks after the switch" in outcome.stderr
    assert "does not pass its checks after the switch" in cli("accept", expect=4).stderr
    assert cli.phases() == {NAME: "switched-over"}
    (move.folder / "well").touch()
    cli("accept")
    assert cli.phases() == {NAME: "accepted"}
    assert [each["has_passed"] for each in cli.applications()[NAME]["checks"]] == [True]


def test_what_passed_is_not_asked_again(move: Move) -> None:
    (move.folder / "well").touch()
    cli = cli_for(move, "after")
    cli("run", "--yes")
    (move.folder / "well").unlink()
    assert cli("run", "--yes", "--json").events("check.made") == []


def test_a_change_that_only_the_target_shows_is_found(move: Move) -> None:
    counted = {"command": ["ls", "-A", "."], "timeout": "1 s"}
    with serving(lambda _: Reply(200, b"portail is well")) as api:
        page = {"url": api.url("/health"), "contains": "is well", "timeout": "1 s"}
        cli = move.cli(checks=[{"same_output": counted}, {"http": page}, {"tcp": f"127.0.0.1:{api.port}"}])
        cli("plan")
        outcome = cli("run", "--until", "switched-over", "--yes", "--json")
        assert [event["check"] for event in outcome.events("check.made")] == [
            "check 1 (same_output)",
            "check 2 (http)",
            "check 3 (tcp)",
        ] * 2
