"""Falling back after the switch: what users wrote at the target comes home first, verified, or nothing is done."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.support.moves import NAME, Move
from tests.support.trees import differences

FILES = 200


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    plant(move.source)
    return move


def plant(root: Path) -> None:
    """Files in three folders, a link, and an empty folder."""
    for number in range(FILES):
        folder = root / f"folder {number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file {number:03}").write_text(f"as it was, {number}")
    (root / "link").symlink_to("folder 0")
    (root / "empty").mkdir()


def live(root: Path) -> None:
    """What users do at the target: 70 files created, 70 changed, 60 deleted, folders and links as well."""
    for number in range(70):
        (root / f"folder {number % 3}" / f"file {number:03}").write_text(f"changed by a user, {number}")
    for number in range(70, 130):
        (root / f"folder {number % 3}" / f"file {number:03}").unlink()
    new = root / "new" / "deeper"
    new.mkdir(parents=True)
    for number in range(70):
        (new / f"upload {number:03}").write_text(f"uploaded, {number}")
    (new / "upload 000").chmod(0o640)
    os.utime(new / "upload 001", ns=(10**18, 10**18))
    (root / "link").unlink()
    (root / "link").symlink_to("new")
    (root / "empty").rmdir()


def switched(move: Move, **fall_back: object) -> Cli:
    """The command line once users are at the target."""
    cli = move.cli(fall_back=fall_back)
    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}
    return cli


def test_200_files_created_changed_and_deleted_at_the_target_come_home(move: Move) -> None:
    cli = switched(move, source_write=True)
    live(move.target)
    outcome = cli("fall-back", "--yes", "--json")
    (changes,) = outcome.events("target.changes")
    assert (changes["created"], changes["changed"], changes["deleted"]) == (72, 71, 61)
    assert len(outcome.events("target.changed")) == 72 + 71 + 61
    assert differences(move.target, move.source, nanoseconds=True, everything=True) == []
    assert cli.phases() == {NAME: "seeded"}
    assert move.is_untouched
    assert not move.frozen.exists()
