"""One large file by the command line over a real server: killed half-way, changed in place, and full of holes."""

from __future__ import annotations

import os
import random
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.support.counting import Counter, counted
from tests.support.moves import NAME, Move, give
from tests.support.plans import local, remote
from tests.support.sshd import Account, Sshd, descendants, wait_for
from tests.support.trees import differences

MB = 1 << 20
SIZE = 160 * MB
CHUNK = 8 * MB
OVERHEAD = 3 * MB  # of SSH, the agents and the scans


def moving(far: str, lane: str, counter: Counter, sshd: Sshd, ground: Path, folder: Path) -> tuple[Move, Cli]:
    """One file that moves from or to the server, through the counter."""
    spec = sshd.endpoint("openssh")
    assert spec.ssh is not None
    spec = replace(spec, ssh=replace(spec.ssh, port=counter.port))
    end = remote(spec, lane="agent" if lane == "agent" else "sftp")
    ends = (end, local()) if far == "source" else (local(), end)
    move = Move(folder, ground / "source", ground / "target", *ends)
    return move, move.cli()


def plant(ground: Path, account: Account) -> Path:
    path = ground / "source" / "image"
    path.parent.mkdir()
    path.write_bytes(random.Random(3).randbytes(SIZE))
    give(ground / "source", account)
    return path


def kill_half_way(cli: Cli, counter: Counter, far: str) -> int:
    """Kill the run once half of the file has crossed; how many movers it had."""
    with cli.started("run", "--json", "--until", "seeded") as run:
        wait_for(lambda: crossed(counter, far) > SIZE // 2, "half of the file crosses", 60)
        family = descendants(run.pid)
        movers = [pid for pid in family if b"movers.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(run.pid, signal.SIGKILL)
        run.wait(60)
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in family), "the movers leave")
    return len(movers)


def crossed(counter: Counter, far: str) -> int:
    return counter.from_server_bytes if far == "source" else counter.from_client_bytes


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("far", "lane"), [("source", "agent"), ("target", "agent"), ("source", "sftp"), ("target", "sftp")]
)
def test_killed_half_way_little_is_sent_again(
    far: str, lane: str, sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    plant(ground, account)
    with counted(sshd.port) as counter:
        _, cli = moving(far, lane, counter, sshd, ground, tmp_path)
        movers = kill_half_way(cli, counter, far)
        assert movers
        assert cli.phases() != {NAME: "seeded"}, "the run was over before it could be killed"
        cli("run", "--until", "seeded", timeout_seconds=120)
        again = crossed(counter, far) - SIZE
        # What was in flight when it was killed had crossed the line, too: the window of each mover's connection.
        assert again <= movers * (CHUNK + 6 * MB) + OVERHEAD, f"{again / MB:.1f} MiB crossed twice"
        assert differences(ground / "source", ground / "target", nanoseconds=lane == "agent") == []
        cli("run", "--yes", timeout_seconds=120)
        assert {item["class"] for item in cli.items()} == {"verified"}
        assert all(item["sha256"] for item in cli.items() if item["kind"] == "file")
    assert list(ground.rglob(".migrator-[0-9a-f]*-*")) == []


@pytest.mark.parametrize("far", ["source", "target"])
def test_of_a_file_changed_in_place_only_changed_blocks_travel(
    far: str, sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    path = plant(ground, account)
    with counted(sshd.port) as counter:
        _, cli = moving(far, "agent", counter, sshd, ground, tmp_path)
        cli("run", "--until", "seeded", timeout_seconds=120)
        with path.open("r+b") as file:
            for number in (7, 93):
                file.seek(number * MB + 5)
                file.write(b"changed in place")
        before = crossed(counter, far)
        cli("run", "--until", "seeded", timeout_seconds=120)
        assert crossed(counter, far) - before <= 2 * MB + OVERHEAD
        assert differences(ground / "source", ground / "target") == []


@pytest.mark.parametrize("far", ["source", "target"])
def test_holes_cross_for_nothing_and_stay(far: str, sshd: Sshd, account: Account, ground: Path, tmp_path: Path) -> None:
    path = ground / "source" / "sparse"
    path.parent.mkdir()
    with path.open("wb") as file:
        for number in range(8):
            file.seek(number * 250 * MB + 77)
            file.write(random.Random(number).randbytes(MB))
        file.truncate(2048 * MB)
    give(ground / "source", account)
    with counted(sshd.port) as counter:
        _, cli = moving(far, "agent", counter, sshd, ground, tmp_path)
        cli("run", "--until", "seeded", timeout_seconds=120)
        assert crossed(counter, far) <= 8 * MB + OVERHEAD
        assert (ground / "target" / "sparse").stat().st_blocks * 512 <= 9 * MB
        cli("run", "--yes", timeout_seconds=120)
        assert {item["class"] for item in cli.items()} == {"verified"}
    assert differences(ground / "source", ground / "target") == []
