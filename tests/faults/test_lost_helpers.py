"""What carries the bytes is killed in the middle of it: the run goes on by itself, and nothing is left running."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.moves import NAME, Move, give
from tests.support.plans import local, remote
from tests.support.sshd import Account, Sshd, descendants, wait_for
from tests.support.trees import build_many, differences, set_folder_times

FILES = 8000
AGENT = b"sys.stdin.buffer"  # what its command line has, and nobody else's


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


def movers_of(run: subprocess.Popen[str]) -> list[int]:
    return [pid for pid in descendants(run.pid) if b"migrator.movers.worker" in command_of(pid)]


def a_mover(run: subprocess.Popen[str], server: Sshd) -> list[int]:
    return movers_of(run)


def an_ssh_child(run: subprocess.Popen[str], server: Sshd) -> list[int]:
    return [pid for mover in movers_of(run) for pid in descendants(mover) if command_of(pid).startswith(b"ssh\0")]


def a_far_agent(run: subprocess.Popen[str], server: Sshd) -> list[int]:
    # The youngest ones are the movers': the lock and the scan came before them.
    agents = [pid for pid in server.sessions() if AGENT in command_of(pid)]
    return agents[-len(movers_of(run)) :]


@pytest.mark.parametrize("victim", [a_mover, an_ssh_child, a_far_agent])
@pytest.mark.parametrize("far", ["source", "target"])
def test_a_run_outlives_the_loss_of_what_carries_the_bytes(
    far: str,
    victim: Callable[[subprocess.Popen[str], Sshd], list[int]],
    sshd: Sshd,
    account: Account,
    ground: Path,
    tmp_path: Path,
) -> None:
    source, target = ground / "source", ground / "target"
    build_many(bytes(source), FILES)
    set_folder_times(bytes(source))
    give(source, account)
    end = remote(sshd.endpoint("openssh"), lane="agent")
    ends = (end, local()) if far == "source" else (local(), end)
    cli = Move(tmp_path, source, target, *ends).cli()

    with cli.started("run", "--json", "--until", "seeded") as run:
        assert run.stdout is not None
        lines = 0
        for line in run.stdout:
            lines += '"item.acknowledged"' in line
            if lines >= FILES // 10:
                break
        family = {*descendants(run.pid), *sshd.sessions()}
        logins = sshd.log().count("Accepted publickey")
        killed = victim(run, sshd)
        assert killed, "nobody of that kind was at work"
        os.kill(killed[0], signal.SIGKILL)
        said = run.stdout.read()
        assert run.wait(60) == 0, said[-2000:]
    # What had arrived by then is used up, and a loss that is met before the next batch has begun has nothing to tell.
    is_replaced = sshd.log().count("Accepted publickey") > logins
    assert "given out again" in said or is_replaced, "the loss was not noticed"

    assert cli.phases() == {NAME: "seeded"}
    assert differences(source, target, owners=False) == []
    assert list(ground.rglob(".migrator-[0-9a-f]*-*")) == [], "temp files stayed behind"
    wait_for(lambda: not any(command_of(pid) for pid in family), "every process on both sides leaves")
    wait_for(lambda: not sshd.sessions(), "every session at the server ends")
