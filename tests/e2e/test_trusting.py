"""`verify_under_freeze: changed`: what was verified before the freeze is read again only where it moved."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.cli import Cli, Json
from tests.support.moves import NAME, Move, flip_a_byte, give
from tests.support.plans import remote
from tests.support.sshd import Account, Sshd
from tests.support.trees import differences

TRUSTED = "before the freeze: unchanged on both sides since"


def plant(root: Path) -> None:
    root.mkdir()
    for name in ("one", "two", "three"):
        (root / name).write_text(f"content of {name}")
    (root / "link").symlink_to("one")


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    plant(move.source)
    return move


@pytest.fixture
def cli(move: Move) -> Cli:
    cli = move.cli(verify_under_freeze="changed")
    cli("run", "--until", "seeded")
    return cli


def trusted(cli: Cli) -> set[str]:
    return {item["path"] for item in cli.items() if TRUSTED in (item["verified_by"] or "")}


def files_read(events: list[Json]) -> int:
    return sum(int(event["size_bytes"]) for event in events)


def test_what_moved_on_neither_side_is_trusted_and_the_evidence_says_so(move: Move, cli: Cli) -> None:
    cli("verify")
    assert trusted(cli) == set()
    outcome = cli("run", "--until", "verified", "--yes", "--json")
    assert trusted(cli) == {"one", "two", "three"}, "folders and links are looked at again: that costs nothing"
    assert files_read(outcome.events("bytes.moved")) == 0
    assert any("3 files were verified before the freeze" in note["sentence"] for note in outcome.events("note"))
    cli("run", "--yes")
    assert move.is_switched_over
    assert differences(move.source, move.target) == []


def test_without_an_earlier_verification_everything_is_read(cli: Cli) -> None:
    cli("run", "--until", "verified", "--yes")
    assert trusted(cli) == set()


def rewritten_at_the_source(move: Move) -> None:
    (move.source / "two").write_text("another text altogether")


def overwritten_at_the_source(move: Move) -> None:
    flip_a_byte(move.source / "two")


def touched_at_the_source(move: Move) -> None:
    os.utime(move.source / "two")


def touched_at_the_target(move: Move) -> None:
    (move.target / "two").chmod(0o600)
    (move.target / "two").chmod((move.source / "two").stat().st_mode & 0o7777)


@pytest.mark.parametrize(
    "change",
    [rewritten_at_the_source, overwritten_at_the_source, touched_at_the_source, touched_at_the_target],
)
def test_what_moved_on_one_side_is_read_again(change: Callable[[Move], None], move: Move, cli: Cli) -> None:
    cli("verify")
    change(move)
    cli("run", "--until", "verified", "--yes")
    assert trusted(cli) == {"one", "three"}
    cli("run", "--yes")
    assert differences(move.source, move.target) == []


def test_a_flipped_byte_at_the_target_is_found_although_time_and_size_are_as_they_were(move: Move, cli: Cli) -> None:
    cli("verify")
    flip_a_byte(move.target / "two")
    outcome = cli("run", "--yes", expect=3)
    assert "files/two: has other content" in outcome.stderr
    assert move.is_untouched


def test_it_counts_again_after_a_way_back_and_is_said_once(move: Move, cli: Cli) -> None:
    cli("verify")
    cli("run", "--until", "verified", "--yes")
    cli("roll-back", "--yes")
    cli("run", "--until", "verified", "--yes")
    assert trusted(cli) == {"one", "two", "three"}
    assert all(item["verified_by"].count(TRUSTED) <= 1 for item in cli.items() if item["verified_by"])


def test_a_record_that_was_edited_to_fit_is_not_trusted(move: Move, cli: Cli) -> None:
    cli("verify")
    flip_a_byte(move.target / "two")
    now = (move.target / "two").stat()
    with closing(sqlite3.connect(cli.state / "moving-house" / "applications" / f"{NAME}.db")) as raw:
        fit = f"UPDATE item SET target_ctime_ns = {now.st_ctime_ns}, target_inode = {now.st_ino} WHERE path = x'74776f'"
        assert raw.execute(fit).rowcount == 1
        raw.commit()
    assert "files/two" in cli("run", "--yes", expect=3).stderr
    assert move.is_untouched


def test_over_a_lane_that_sees_no_ctime_everything_is_read_again(
    sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    move = Move(tmp_path, ground / "source", tmp_path / "target", remote(sshd.endpoint("openssh"), "sftp"))
    plant(move.source)
    give(move.source, account)
    cli = move.cli(verify_under_freeze="changed")
    cli("run", "--until", "seeded")
    cli("verify")
    assert "all is read again" in cli("run", "--until", "verified", "--yes").stderr
    assert trusted(cli) == set()
