"""A state that cannot be used: on a disk that is full or may only be read, or with flipped bits."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from migrator.domain.phases import Phase
from tests.support.cli import Cli
from tests.support.moves import Move, footprint
from tests.support.old_states import MIGRATION, NAME, unpack
from tests.support.trees import build_many, differences

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
    with (small.folder / "ballast").open("wb") as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(bytes(4096))
            ballast.flush()
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


@pytest.mark.parametrize("seed", range(FLIPS))
def test_a_flipped_bit_sends_nobody_to_what_is_not_proven(seed: int, tmp_path: Path) -> None:
    """It is refused, or it lies where nothing depends on it; either way nobody is sent without the proof."""
    ground = unpack(2, Phase.VERIFIED, tmp_path)
    flip_a_bit(ground.state / MIGRATION / "applications" / f"{NAME}.db", random.Random(seed))
    codes = [run_on(ground.cli) for _ in range(2)]  # the first finds that the source is not the one that was frozen
    assert set(codes) <= {0, 3, 4, 9}, codes
    if (ground.folder / "second").exists():
        assert codes[-1] == 0
        assert differences(ground.folder / "source", ground.folder / "target") == []


def flip_a_bit(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    place = chance.randrange(len(content) * 8)
    content[place // 8] ^= 1 << place % 8
    path.write_bytes(content)


def run_on(cli: Cli) -> int:
    """The exit code of `run --yes`; fails when it is that of a bug."""
    with cli.started("run", "--yes") as process:
        process.communicate(timeout=90)
    assert process.returncode != 1, cli.plan.with_name("stderr.txt").read_text()
    return process.returncode
