"""Signals at bad moments: the first ends a run within ten seconds, the second within two, whatever it waits for."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Cli
from tests.support.moves import Move, give
from tests.support.plans import Mapped, remote
from tests.support.sshd import Account, Sshd, descendants, wait_for
from tests.support.trees import build_many, differences

FIRST_SECONDS = 10.0
SECOND_SECONDS = 2.0
LARGE_BYTES = 30_000_000
SLOW: Mapped = {"connections": 2, "bandwidth": "1 MB/s"}


@dataclass
class Scene:
    """A run that has come to the moment in question."""

    move: Move
    cli: Cli
    run: subprocess.Popen[str]
    said: list[str]


def read_until(run: subprocess.Popen[str], word: str) -> None:
    """Take the run's lines up to one with `word`."""
    assert run.stdout is not None
    assert any(word in line for line in run.stdout), f"the run ended before it said {word}"


def read_on(run: subprocess.Popen[str]) -> list[str]:
    """Whatever it says from here on, as it comes: a full pipe would hold it up, and that is not measured here."""
    said: list[str] = []
    assert run.stdout is not None
    threading.Thread(target=said.extend, args=(run.stdout,), daemon=True).start()
    return said


@contextlib.contextmanager
def standing_still(server: Sshd) -> Iterator[None]:
    """While inside, nothing at the server moves, and no connection ends: a link that was lost without a word."""
    held = server.sessions()
    for pid in held:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in held:
            with contextlib.suppress(ProcessLookupError):  # it was killed while it stood still
                os.kill(pid, signal.SIGCONT)


@pytest.fixture
def move(sshd: Sshd, account: Account, ground: Path, tmp_path: Path) -> Move:
    build_many(bytes(ground / "source"), 500)
    give(ground, account)
    return Move(tmp_path, ground / "source", tmp_path / "target", remote(sshd.endpoint("openssh")))


@contextlib.contextmanager
def copying_over_a_dead_link(move: Move, sshd: Sshd) -> Iterator[Scene]:
    end = {**move.source_end, "limits": SLOW}
    cli = replace(move, source_end=end).cli()
    with cli.started("run", "--json") as run:
        read_until(run, "item.acknowledged")
        with standing_still(sshd):
            yield Scene(move, cli, run, read_on(run))


@contextlib.contextmanager
def verifying_over_a_dead_link(move: Move, sshd: Sshd) -> Iterator[Scene]:
    cli = move.cli()
    cli("run", "--until", "seeded")
    with cli.started("verify", "--full", "--json") as run:
        read_until(run, "work.found")
        with standing_still(sshd):
            yield Scene(move, cli, run, read_on(run))


@contextlib.contextmanager
def carrying_a_large_file(move: Move, sshd: Sshd) -> Iterator[Scene]:
    (move.source / "large").write_bytes(os.urandom(LARGE_BYTES))
    cli = replace(move, source_end={**move.source_end, "limits": SLOW}).cli()
    with cli.started("run", "--json") as run:
        said = read_on(run)
        wait_for(lambda: any(move.target.glob(".migrator-*")) or run.poll() is not None, "the large file grows", 60)
        yield Scene(move, cli, run, said)


@contextlib.contextmanager
def waiting_for_a_server_that_is_away(move: Move, sshd: Sshd) -> Iterator[Scene]:
    cli = replace(move, source_end={**move.source_end, "limits": SLOW}).cli()
    with cli.started("run", "--json") as run:
        read_until(run, "item.acknowledged")
        sshd.stop()
        yield Scene(move, cli, run, read_on(run))
    sshd.start_again()


MOMENTS = [
    copying_over_a_dead_link,
    verifying_over_a_dead_link,
    carrying_a_large_file,
    waiting_for_a_server_that_is_away,
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_first_signal_ends_it_in_good_order(moment: Any, move: Move, sshd: Sshd) -> None:
    with moment(move, sshd) as scene:
        family, said = descendants(scene.run.pid), scene.said
        asked = time.monotonic()
        scene.run.send_signal(signal.SIGTERM)
        assert scene.run.wait(60) == 143, said[-20:]
        took = time.monotonic() - asked
    assert took <= FIRST_SECONDS, f"{took:.1f} s"
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in family), "nobody is left")
    cli = move.cli()
    cli("plan", "--accept-changes")  # where the moment took another plan
    cli("run", "--yes")
    assert differences(move.source, move.target, nanoseconds=False) == []


@pytest.mark.parametrize("moment", MOMENTS[:3])
def test_the_second_signal_leaves_at_once(moment: Any, move: Move, sshd: Sshd) -> None:
    with moment(move, sshd) as scene:
        family, said = descendants(scene.run.pid), scene.said
        scene.run.send_signal(signal.SIGINT)
        wait_for(lambda: any("stopping" in line for line in said), "it has heard")
        asked = time.monotonic()
        scene.run.send_signal(signal.SIGINT)
        assert scene.run.wait(60) == 130
        took = time.monotonic() - asked
    assert took <= SECOND_SECONDS, f"{took:.1f} s"
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in family), "nobody is left")
