"""A state that cannot be used: on a disk that is full or may only be read, or with flipped bits."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from migrator.domain.phases import Phase
from tests.support.cli import Cli
from tests.support.moves import Move, footprint
from tests.support.old_states import MIGRATION, NAME, unpack
from tests.support.trees import build_many, differences
from torture.flipped_state import flip_and_run

FLIPS = 4
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount file systems and give files away")


@dataclass(frozen=True)
class Small:
    """A file system of its own for the state."""

    folder: Path

    def remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.folder)], check=True)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs", str(folder)], check=True)
    yield Small(folder)
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_many(bytes(move.source), 600)
    return move


def on(place: Path, move: Move) -> Cli:
    return Cli(move.cli().plan, place / "state", {})


@as_root
@pytest.mark.root
def test_a_full_disk_stops_the_run_and_room_lets_it_go_on(small: Small, move: Move) -> None:
    cli = on(small.folder, move)
    cli("run", "--until", "checked")
    with (small.folder / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while ballast.write(bytes(4096)):
            pass
    full = cli("run", "--yes", expect=9)
    assert "full" in full.stderr or "No space left" in full.stderr
    assert move.is_untouched
    (small.folder / "ballast").unlink()
    cli("run", "--yes")
    assert move.is_switched_over
    assert differences(move.source, move.target) == []


@as_root
@pytest.mark.root
def test_a_disk_that_may_only_be_read_lets_one_look_and_nothing_else(small: Small, move: Move) -> None:
    cli = on(small.folder, move)
    cli("run", "--until", "seeded")
    small.remount("ro")
    arrived = footprint(move.target)
    cli("run", "--yes", expect=9)
    assert cli.phases() == {"portail": "seeded"}
    assert footprint(move.target) == arrived
    assert not move.frozen.exists()
    small.remount("rw")
    cli("run", "--yes")
    assert move.is_switched_over


@pytest.mark.parametrize(
    ("database", "statement"),
    [
        ("journal.db", "UPDATE recorded_plan SET content = CAST(x'7b22ff' AS TEXT)"),
        (f"applications/{NAME}.db", "UPDATE attempt SET started_at = '\"' || substr(started_at, 2)"),
        (f"applications/{NAME}.db", "UPDATE standing SET phase = 'verifiee'"),
    ],
    ids=["no text", "no time", "no phase"],
)
def test_a_value_that_nobody_wrote_is_damage_and_no_bug(database: str, statement: str, tmp_path: Path) -> None:
    ground = unpack(2, Phase.VERIFIED, tmp_path)
    with closing(sqlite3.connect(ground.state / MIGRATION / database)) as raw:
        assert raw.execute(statement).rowcount
        raw.commit()
    outcome = ground.cli("run", "--yes", expect=9)
    assert "damaged" in outcome.stderr or "changed by hand" in outcome.stderr


@pytest.mark.parametrize("seed", range(FLIPS))
def test_a_flipped_bit_sends_nobody_to_what_is_not_proven(seed: int, tmp_path: Path) -> None:
    assert flip_and_run(tmp_path, random.Random(seed))[1] == []
