"""How soon a run that was killed in the middle of a very large seed is at work again."""

from __future__ import annotations

import json
import os
import signal
import time

from tests.support.cli import Cli
from tests.support.moves import Move
from tests.support.sshd import descendants, wait_for
from torture.rows import Options, Outcome, Row

FILES = 1_000_000
FILES_A_FOLDER = 500
GOAL_SECONDS = 5.0
REPEATS = 3


def torture(options: Options) -> Outcome:
    """Kill a seed half-way, then again and again when it has begun to work; what is measured is until then."""
    files = options.count(FILES)
    move = Move(options.folder, options.folder / "source", options.folder / "target")
    _build(bytes(move.source), files)
    cli = move.cli()
    _until(cli, acknowledged=files // 2)
    took = [_until(cli, acknowledged=1) for _ in range(REPEATS)]
    at_work, told = (max(each[place] for each in took) for place in (0, 1))
    late = [f"at work after {at_work:.1f} s, which is more than {GOAL_SECONDS:g} s"] if at_work > GOAL_SECONDS else []
    words = f"{files:,} rows: scanning after {at_work:.1f} s at most, the next item in place after {told:.1f} s"
    return Outcome(REPEATS, tuple(late), words)


def _until(cli: Cli, acknowledged: int) -> tuple[float, float]:
    """Run until so many files are acknowledged, and kill it: seconds until a scan told of items, and until then."""
    begun = time.monotonic()
    scanning: float | None = None
    with cli.started("run", "--until", "seeded", "--json") as run:
        assert run.stdout is not None
        for line in run.stdout:
            event = json.loads(line)
            if event["event"] == "scan.progress" and scanning is None:
                scanning = time.monotonic() - begun
            acknowledged -= event["event"] == "item.acknowledged"
            if acknowledged <= 0:
                break
        else:
            raise AssertionError("the run ended before it could be killed")
        took = time.monotonic() - begun
        family = [run.pid, *descendants(run.pid)]
        os.kill(run.pid, signal.SIGKILL)
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in family), "everything is gone", 20)
    assert scanning is not None, "an item came before any scan"
    return scanning, took


def _build(root: bytes, files: int) -> None:
    """Files of a few bytes, in folders."""
    for first in range(0, files, FILES_A_FOLDER):
        folder = b"%s/%06d" % (root, first)
        os.makedirs(folder)
        for number in range(first, min(files, first + FILES_A_FOLDER)):
            with open(b"%s/%07d" % (folder, number), "wb", buffering=0) as file:
                file.write(b"%d" % number)


ROWS = (Row("resume", "a seed of a million files killed half-way: at work again within 5 s", torture),)
