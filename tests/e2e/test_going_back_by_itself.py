"""`on_failure: go_back`: checks that fail after the switch lead back, and never at a loss."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.support.moves import NAME, Move, give
from tests.support.plans import remote
from tests.support.sshd import Account, Sshd
from tests.support.users import plant


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    plant(move.source)
    return move


def cli_for(move: Move, *, writes: bool = False, **more: object) -> Cli:
    """The check fails until a file says that the application is well; it may write at the target as a user would."""
    look = f'test -e "{move.folder}/well"'
    argv = ["sh", "-c", f'echo x > "{move.target}/upload"; {look}' if writes else look]
    check = {"on": "here", "argv": argv, "when": "after", "timeout": "1 s"}
    return move.cli(checks=[{"command": check}], on_failure="go_back", **more)  # type: ignore[arg-type]


def test_failed_checks_lead_back_when_nothing_was_written(move: Move) -> None:
    cli = cli_for(move)
    outcome = cli("run", "--yes", "--json", expect=4)
    assert [event["step"] for event in outcome.events("step.started")][-4:] == [
        "switch-over",
        "check",
        "look-back",
        "fall-back",
    ]
    assert cli.phases() == {NAME: "seeded"}
    assert move.is_untouched
    assert not move.frozen.exists()
    (report,) = outcome.events("application.report")
    assert "does not pass its checks after the switch" in report["error"]
    assert "has gone back" in report["error"]
    (move.folder / "well").touch()
    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}


def test_what_was_written_meanwhile_comes_home(move: Move) -> None:
    cli = cli_for(move, writes=True, fall_back={"source_write": True})
    outcome = cli("run", "--yes", expect=4)
    assert "has gone back" in outcome.stderr
    assert (move.source / "upload").read_text() == "x\n"
    assert move.is_untouched
    assert cli.phases() == {NAME: "seeded"}


def test_over_ssh_the_sides_change_their_roles_within_one_run(
    sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    """The movers that have read the source before are to write there now, within the two connections it bears."""
    old = {**remote(sshd.endpoint("openssh")), "limits": {"connections": 2}}
    move = Move(tmp_path, ground / "source", tmp_path / "target", source_end=old)
    plant(move.source)
    give(move.source, account)
    cli = cli_for(move, writes=True, fall_back={"source_write": True})
    outcome = cli("run", "--yes", expect=4)
    assert "has gone back" in outcome.stderr
    assert (move.source / "upload").read_text() == "x\n"
    assert cli.phases() == {NAME: "seeded"}


def test_it_stays_where_it_would_lose_what_was_written(move: Move) -> None:
    cli = cli_for(move, writes=True)
    outcome = cli("run", "--yes", expect=4)
    assert "does not pass its checks after the switch" in outcome.stderr
    assert "would lose" in outcome.stderr
    assert cli.phases() == {NAME: "switched-over"}
    assert move.is_switched_over


def test_accept_is_a_word_of_the_operator_and_leads_nowhere_else(move: Move) -> None:
    well = move.folder / "well"
    well.touch()
    cli = move.cli(checks=[], on_failure="go_back")
    cli("run", "--yes")
    well.unlink()
    cli = cli_for(move)
    cli("plan", "--accept-changes")
    assert "does not pass" in cli("accept", expect=4).stderr
    assert cli.phases() == {NAME: "switched-over"}
    assert move.is_switched_over
