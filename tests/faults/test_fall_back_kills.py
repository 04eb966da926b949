"""SIGKILL while falling back: the same command goes on, and what users wrote is at the source in the end."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Cli
from tests.support.moves import NAME, Move, give
from tests.support.plans import Mapped, flag_freeze, link_switch, local, remote
from tests.support.sshd import Account, Sshd, descendants, wait_for
from tests.support.trees import differences
from tests.support.users import live, plant

Event = dict[str, Any]
MOMENTS: dict[str, Callable[[Event], bool]] = {
    "looking": lambda event: event["event"] == "scan.progress",
    "listing": lambda event: event["event"] == "target.changed",
    "deleting": lambda event: event["event"] == "item.deleted",
    "copying": lambda event: event["event"] == "item.acknowledged",
    "verifying": lambda event: event["event"] == "item.verified",
    "undoing": lambda event: event["event"] == "effect.noted",
    "undone": lambda event: event["event"] == "effect.noted" and event["answer"] == "done",
    "thawing": lambda event: event["event"] == "effect.noted" and event["effect"] == "freeze",
}


def run_and_kill(cli: Cli, is_the_moment: Callable[[Event], bool]) -> bool:
    """Fall back, and kill it at that moment; whether it was still at work."""
    with cli.started("fall-back", "--yes", "--json") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if is_the_moment(json.loads(line)):
                break
        movers = descendants(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        process.stdout.read()
        was_at_work = process.wait(60) == -signal.SIGKILL
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in movers), "the movers leave")
    return was_at_work


def prepared(folder: Path, ground: Path, account: Account, source_end: Mapped) -> tuple[Move, Cli]:
    """Users at the target, who have written there."""
    move = Move(folder, ground / "source", ground / "target", source_end)
    plant(move.source)
    give(move.source, account)
    cli = move.cli(fall_back={"source_write": True})
    cli("run", "--yes")
    live(move.target)
    (move.target / "large").write_bytes(os.urandom(12 * 1024 * 1024))
    return move, cli


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["local", "sftp", "agent"])
def test_killed_at_every_stage_it_brings_everything_home(
    way: str, sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    ends = {
        "local": local(),
        "sftp": remote(sshd.endpoint("openssh")),
        "agent": remote(sshd.endpoint("openssh"), "agent"),
    }
    move, cli = prepared(tmp_path, ground, account, ends[way])
    kills = sum(run_and_kill(cli, is_the_moment) for is_the_moment in MOMENTS.values())
    cli("fall-back", "--yes")
    assert kills > len(MOMENTS) // 2, "it was over before it could be killed"
    assert cli.phases() == {NAME: "seeded"}
    assert differences(move.target, move.source, nanoseconds=way == "local") == []
    assert move.is_untouched
    assert not move.frozen.exists()
    assert list(ground.rglob("*.migrator*")) == [], "temp files stayed behind"


# For a hook: its parent is what ends it when migrator ends, and migrator is the parent of that.
MIGRATOR = "$(cut -d ' ' -f 4 /proc/$PPID/stat)"


@pytest.mark.parametrize("has_acted", [False, True], ids=["before it acts", "after it acted"])
@pytest.mark.parametrize("effect", ["switch", "freeze"])
def test_killed_by_the_undo_itself_it_goes_on(effect: str, has_acted: bool, tmp_path: Path) -> None:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    plant(move.source)
    flag = move.switched if effect == "switch" else move.frozen
    log = tmp_path / "undone"
    acts = f'rm "{flag}"; ' if has_acted else ""
    kill = f'test -e "{log}" || {{ {acts}echo >> "{log}"; kill -9 {MIGRATOR}; exit 1; }}'
    triple = {**flag_freeze(flag), "undo": ["sh", "-c", f'{kill}; echo >> "{log}"; rm -f "{flag}"']}
    keys: dict[str, Any] = {"freeze": triple}
    if effect == "switch":
        keys = {"switch": [link_switch(move.link, move.target), {"command": triple}]}
    cli = move.cli(fall_back={"source_write": True}, **keys)
    cli("run", "--yes")
    live(move.target)
    with cli.started("fall-back", "--yes") as process:
        assert process.stdout is not None
        process.stdout.read()
        assert process.wait(60) == -signal.SIGKILL
    if effect == "freeze" and has_acted:
        (move.source / "new" / "at home").write_text("written at the source, where users are again")
    cli("fall-back", "--yes")
    assert cli.phases() == {NAME: "seeded"}
    assert move.is_untouched
    assert not move.frozen.exists()
    assert len(log.read_text()) == (1 if has_acted else 2), "an undo that has acted is not repeated"
    (move.source / "new" / "at home").unlink(missing_ok=True)
    found = differences(move.target, move.source, nanoseconds=True)
    assert [line for line in found if "b'new'" not in line] == []


def test_what_is_written_during_the_copy_is_refused_by_name_and_then_comes_home(tmp_path: Path) -> None:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    plant(move.source)
    cli = move.cli(fall_back={"source_write": True})
    cli("run", "--yes")
    for number in range(2000):  # more lines than a pipe holds, so that the run waits for whoever reads them
        (move.target / f"upload {number:04}").write_text(f"by a user, {number}")
    with cli.started("fall-back", "--yes", "--json") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "item.acknowledged":
                break
        (move.target / "folder 0" / "late").write_text("written while it was copied")
        said = [json.loads(line) for line in process.stdout]
        assert process.wait(60) == 4
    (report,) = [event for event in said if event["event"] == "application.report"]
    assert report["differences"] == ["files/folder 0: changed", "files/folder 0/late: new"]
    assert cli.phases() == {NAME: "switched-over"}
    assert move.is_switched_over
    cli("fall-back", "--yes")
    assert (move.source / "folder 0" / "late").read_text() == "written while it was copied"
    assert differences(move.target, move.source, nanoseconds=True, everything=True) == []
    assert cli.phases() == {NAME: "seeded"}


def test_a_source_that_cannot_be_reached_keeps_users_at_the_target(
    sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    move, cli = prepared(tmp_path, ground, account, remote(sshd.endpoint("openssh")))
    sshd.stop()
    cli("fall-back", "--yes", expect=10)
    assert cli.phases() == {NAME: "switched-over"}
    assert move.is_switched_over
