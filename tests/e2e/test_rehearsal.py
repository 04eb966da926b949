"""A rehearsal: the whole cutover beside the real target; nothing real is written, and no hook is applied."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from pathlib import Path
from typing import Literal

import pytest

from tests.support.cli import Cli
from tests.support.moves import NAME, Move, footprint, give
from tests.support.plans import Mapped, local, remote
from tests.support.sshd import Account, Sshd
from tests.support.trees import build_nasty, differences

Way = tuple[Literal["local", "sftp", "agent"], Literal["local", "sftp", "agent"]]
STEPS = ["preflight", "seed", "catch-up", "freeze", "final-sync", "verify", "switch-over"]


def end_of(way: str, server: Sshd) -> Mapped:
    if way == "local":
        return local()
    return remote(server.endpoint("openssh"), lane="sftp" if way == "sftp" else "agent")


def noted(folder: Path, name: str, verb: str, then: str = "true") -> list[str]:
    """A hook that writes its name into the hooks' own log."""
    return ["sh", "-c", f"echo {name} {verb} >> {folder}/hooks; {then}"]


def hook(folder: Path, name: str, probe: str = "") -> Mapped:
    flag = folder / f"{name}.flag"
    return {
        "on": "here",
        "apply": noted(folder, name, "apply", f"touch {flag}"),
        "probe": noted(folder, name, "probe", probe or f"test -e {flag}"),
        "undo": noted(folder, name, "undo", f"rm -f {flag}"),
        "timeout": "20s",
    }


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_nasty(bytes(move.source))
    return move


def cli_of(move: Move, **more: object) -> Cli:
    """A plan whose hooks keep a log of their own."""
    keys: Mapped = {
        "freeze": hook(move.folder, "freeze"),
        "switch": [{"command": hook(move.folder, "switch")}],
        **more,
    }
    return move.cli(**keys)


def log_of(move: Move) -> list[str]:
    return (move.folder / "hooks").read_text(encoding="utf-8").splitlines()


def shadow_of(move: Move) -> Path:
    return move.target.with_name(f"{move.target.name}.rehearsal")


@pytest.mark.parametrize("way", [("local", "local"), ("sftp", "local"), ("local", "agent"), ("agent", "sftp")])
def test_a_rehearsal_leaves_everything_real_alone(
    way: Way, sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    source, target = ground / "source", ground / "target"
    build_nasty(bytes(source))
    (source / "modes" / "000").chmod(0o400)
    give(source, account)
    untouched = footprint(source)
    move = Move(tmp_path, source, target, end_of(way[0], sshd), end_of(way[1], sshd))
    cli = cli_of(move)

    outcome = cli("run", "--rehearse", "--keep-shadow", "--json")

    assert [event["step"] for event in outcome.events("step.ended")] == STEPS
    assert differences(source, shadow_of(move), nanoseconds=False) == []
    assert footprint(source) == untouched, "something was written at the source"
    assert not target.exists()
    asked = ["freeze probe", "switch probe"] * 2  # by the preflight, and each in its place
    assert log_of(move) == asked
    assert cli.phases() == {NAME: "planned"}

    cli("run", "--rehearse")
    assert sorted(path.name for path in ground.iterdir()) == ["source"], "the shadow is removed, and so is its lease"
    assert log_of(move) == asked * 2
    assert footprint(source) == untouched


def test_status_tells_of_it_and_the_cutover_reckons_with_it(move: Move) -> None:
    cli = cli_of(move)
    outcome = cli("run", "--rehearse")
    assert "not rehearsed" in outcome.stderr
    assert "FROZEN" not in outcome.stdout + outcome.stderr
    rehearsal = cli.applications()[NAME]["rehearsal"]
    assert rehearsal["holds"]
    assert list(rehearsal["seconds"]) == STEPS
    assert all(seconds >= 0 for seconds in rehearsal["seconds"].values())
    assert "holds: preflight" in cli("status").stdout
    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}
    assert differences(move.source, move.target) == []
    assert [line for line in log_of(move) if "probe" not in line] == ["freeze apply", "switch apply"]


def test_a_changed_plan_ends_it(move: Move) -> None:
    cli = cli_of(move)
    cli("run", "--rehearse")
    changed = cli_of(move, soak="48h")
    changed("plan", "--accept-changes")
    rehearsal = changed.applications()[NAME]["rehearsal"]
    assert not rehearsal["holds"]
    assert rehearsal["reason"] == "the plan changed since"
    assert "does not count: the plan changed since" in changed("status").stdout
    changed("run", "--rehearse")
    assert changed.applications()[NAME]["rehearsal"]["holds"]


def test_a_rehearsal_beside_a_migration_under_way_touches_neither_its_target_nor_its_record(move: Move) -> None:
    cli = cli_of(move)
    cli("run", "--until", "seeded")
    settled, items = footprint(move.target), cli.items()
    (move.source / "new").write_text("written since\n", encoding="utf-8")
    cli("run", "--rehearse")
    assert footprint(move.target) == settled
    assert cli.items() == items
    assert cli.phases() == {NAME: "seeded"}
    assert not shadow_of(move).exists()


def test_a_rehearsal_needs_no_window(move: Move) -> None:
    cli = cli_of(move)
    text = cli.plan.read_text(encoding="utf-8")
    cli.plan.write_text(
        text.replace("- name: july\n", "- name: july\n  window: {from: 2999-01-01}\n"), encoding="utf-8"
    )
    cli("run", "--rehearse")
    cli("run", expect=5)


def test_a_probe_that_cannot_tell_is_found_out_in_the_rehearsal(move: Move) -> None:
    cli = cli_of(move, switch=[{"command": hook(move.folder, "switch", probe="exit 3")}])
    outcome = cli("run", "--rehearse", expect=4)
    assert "cannot be probed" in outcome.stderr
    assert [line for line in log_of(move) if "probe" not in line] == []
    rehearsal = cli.applications()[NAME]["rehearsal"]
    assert not rehearsal["holds"]
    assert "cannot be probed" in rehearsal["reason"]
    assert list(rehearsal["seconds"]) == STEPS[:-1]
    assert shadow_of(move).exists(), "it stays, so that the next try copies only what is new"
    mended = cli_of(move)
    mended("plan", "--accept-changes")
    mended("run", "--rehearse")
    assert not shadow_of(move).exists()


def test_what_changes_during_the_rehearsal_is_told_and_fails_nothing(move: Move) -> None:
    """Nobody froze the source, so a file that grows all the time is no fault."""
    script = "while sleep 0.02; do echo more; done >> $0/growing"
    with subprocess.Popen(["sh", "-c", script, str(move.source)]) as writer:
        try:
            cli = cli_of(move)
            outcome = cli("run", "--rehearse")
        finally:
            writer.kill()
    assert "files/growing" in outcome.stderr
    assert "a frozen source must not change" in outcome.stderr
    assert cli.applications()[NAME]["rehearsal"]["holds"]
    assert not shadow_of(move).exists()


def test_a_failed_check_before_the_switch_is_told_and_not_judged(move: Move) -> None:
    """What the real target is for is not there yet."""
    check = {"command": {"on": "here", "argv": ["test", "-e", str(move.target / "index.html")], "timeout": "1s"}}
    cli = cli_of(move, checks=[check])
    assert "check 1 (command) before the switch FAILED" in cli("run", "--rehearse").stderr
    assert cli.applications()[NAME]["rehearsal"]["holds"]


def test_strangers_in_the_shadow_are_neither_taken_over_nor_removed(move: Move) -> None:
    cli = cli_of(move)
    shadow_of(move).mkdir()
    (shadow_of(move) / "notes").write_text("of somebody\n", encoding="utf-8")
    cli("run", "--rehearse", expect=4)
    assert os.listdir(shadow_of(move)) == ["notes"]
    (shadow_of(move) / "notes").unlink()
    leaves_one = hook(
        move.folder, "switch", probe=f"test ! -e {shadow_of(move)}/names || touch {shadow_of(move)}/notes; exit 1"
    )
    cli = cli_of(move, switch=[{"command": leaves_one}])
    cli("plan", "--accept-changes")
    outcome = cli("run", "--rehearse")
    assert "stays" in outcome.stderr
    assert os.listdir(shadow_of(move)) == ["notes"]


def test_a_removal_that_was_cut_off_is_finished_first(move: Move) -> None:
    cli = cli_of(move)
    cli("run", "--rehearse", "--keep-shadow")
    record = cli.state / "moving-house" / "rehearsal" / "applications" / f"{NAME}.db"
    with sqlite3.connect(record) as raw:
        raw.execute("INSERT INTO mark VALUES ('shadow being removed', 'yes')")
    raw.close()
    for path in sorted(shadow_of(move).rglob("*"))[:10]:
        if path.is_file() and not path.is_symlink():
            path.unlink()
    cli("run", "--rehearse", "--keep-shadow")
    assert differences(move.source, shadow_of(move)) == []


def test_a_rehearsal_that_is_stopped_leaves_the_one_before_in_force(move: Move) -> None:
    cli = cli_of(move)
    cli("run", "--rehearse")
    before = cli.applications()[NAME]["rehearsal"]
    with cli.started("run", "--rehearse", "--json") as run:
        assert run.stdout is not None
        assert "run.started" in run.stdout.readline()
        run.send_signal(signal.SIGTERM)
        for _ in run.stdout:  # to its end
            pass
        assert run.wait(60) in (0, 143)
    assert cli.applications()[NAME]["rehearsal"]["holds"]
    if run.returncode == 143:
        assert cli.applications()[NAME]["rehearsal"] == before
    cli("run", "--rehearse")
    assert not shadow_of(move).exists()


def test_a_shadow_never_falls_on_a_tree_of_the_plan(move: Move) -> None:
    other: Mapped = {
        "name": "annuaire",
        "datasets": [{"name": "files", "source": f"old:{move.folder}/other", "target": f"new:{shadow_of(move)}/deep"}],
    }
    outcome = move.cli(other, freeze=hook(move.folder, "freeze"), switch=[])("run", "--rehearse", expect=4)
    assert "the plan has a tree there" in outcome.stderr
    assert not shadow_of(move).exists()


@pytest.mark.parametrize("option", [("--until", "seeded"), ("--dry-run",), ("--adopt",), ("--yes",)])
def test_options_that_say_nothing_in_a_rehearsal_are_refused(option: tuple[str, ...], move: Move) -> None:
    assert option[0] in cli_of(move)("run", "--rehearse", *option, expect=2).stderr


def test_keep_shadow_belongs_to_a_rehearsal(move: Move) -> None:
    assert "--rehearse" in cli_of(move)("run", "--keep-shadow", expect=2).stderr
