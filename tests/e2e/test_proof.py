"""Nothing wrong is ever called right: faults at the target, and writes after the freeze."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from tests.support.cli import Cli
from tests.support.moves import NAME, Move, flip_a_byte, give
from tests.support.plans import local, remote
from tests.support.sshd import Account, Sshd
from tests.support.trees import build_nasty, differences


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_nasty(bytes(move.source))
    return move


@pytest.fixture
def cli(move: Move) -> Cli:
    return move.cli()


@pytest.mark.parametrize("options", [(), ("--full",)], ids=["recorded", "full"])
def test_a_flipped_byte_at_the_target_is_named_and_mended(options: tuple[str, ...], move: Move, cli: Cli) -> None:
    cli("run", "--until", "verified", "--yes")
    cli("verify", *options)
    flip_a_byte(move.target / "sizes" / "32768")

    outcome = cli("verify", *options, expect=3)
    assert "files/sizes/32768" in outcome.stdout + outcome.stderr
    failed = [item["path"] for item in cli.items() if item["class"] == "failed"]
    assert failed == ["sizes/32768"]

    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}
    assert differences(move.source, move.target) == []
    cli("verify", *options)


def test_a_flipped_byte_before_the_verification_holds_the_switch(move: Move, cli: Cli) -> None:
    cli("run", "--until", "synced", "--yes")
    flip_a_byte(move.target / "sizes" / "261121")
    outcome = cli("run", "--yes", expect=3)
    assert "sizes/261121" in outcome.stdout + outcome.stderr
    assert move.is_untouched
    cli("run", "--yes")
    assert move.is_switched_over
    assert differences(move.source, move.target) == []


def test_after_the_switch_a_difference_is_only_reported(move: Move, cli: Cli) -> None:
    cli("run", "--yes")
    flip_a_byte(move.target / "sizes" / "4096")
    content = (move.target / "sizes" / "4096").read_bytes()
    cli("verify", expect=3)
    cli("run", "--yes", expect=3)
    assert (move.target / "sizes" / "4096").read_bytes() == content, "users may have written it"


@pytest.mark.parametrize("fault", ["missing", "mode", "kind", "link"])
def test_verify_sees_more_than_content(fault: str, move: Move, cli: Cli) -> None:
    cli("run", "--until", "verified", "--yes")
    names = {"missing": "sizes/1", "mode": "modes/640", "kind": "sizes/0", "link": "links/dangling"}
    path = move.target / names[fault]
    if fault == "mode":
        path.chmod(0o666)
    else:
        path.unlink()
    if fault == "kind":
        path.mkdir()
    if fault == "link":
        path.symlink_to("elsewhere")
    outcome = cli("verify", expect=3)
    assert str(path.relative_to(move.target)) in outcome.stdout + outcome.stderr


def test_what_exists_only_at_the_target_is_foreign_and_stays(move: Move, cli: Cli) -> None:
    cli("run", "--until", "verified", "--yes")
    stranger = move.target / "empty" / "stranger"
    before = stranger.parent.stat()
    stranger.write_text("somebody else's")
    os.utime(stranger.parent, ns=(before.st_atime_ns, before.st_mtime_ns))
    cli("verify")
    assert cli.applications()[NAME]["foreign"] == 1
    cli("run", "--yes")
    assert stranger.read_text() == "somebody else's"


def change_content(source: Path) -> Path:
    path = source / "sizes" / "4096"
    path.write_bytes(b"written after the freeze")
    return path


def change_one_byte_and_hide_it(source: Path) -> Path:
    path = source / "sizes" / "4095"
    flip_a_byte(path)
    return path


def add_a_file(source: Path) -> Path:
    path = source / "times" / "new"
    path.write_bytes(b"written after the freeze")
    return path


def remove_a_file(source: Path) -> Path:
    path = source / "sizes" / "1"
    path.unlink()
    return path


@pytest.mark.parametrize("change", [change_content, change_one_byte_and_hide_it, add_a_file, remove_a_file])
@pytest.mark.parametrize("lane", ["local", "sftp", "agent"])
def test_a_write_at_the_source_after_the_freeze_stops_the_switch(
    change: Callable[[Path], Path],
    lane: Literal["local", "sftp", "agent"],
    sshd: Sshd,
    account: Account,
    ground: Path,
    tmp_path: Path,
) -> None:
    end = local() if lane == "local" else remote(sshd.endpoint("openssh"), lane)
    move = Move(tmp_path, ground / "source", tmp_path / "target", end)
    build_nasty(bytes(move.source))
    (move.source / "modes" / "000").chmod(0o400)
    give(move.source, account)
    cli = move.cli()
    cli("run", "--until", "verified", "--yes")
    path = change(move.source)
    give(move.source, account)

    outcome = cli("run", "--yes", expect=4)

    assert str(path.relative_to(move.source)) in outcome.stdout + outcome.stderr
    assert cli.phases() == {NAME: "frozen"}
    assert move.is_untouched
    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}
    assert differences(move.source, move.target, nanoseconds=lane != "sftp") == []
    assert move.is_switched_over
