"""The power is cut under the state or under the target, in mid-run: nothing that was told may be missing afterwards.

What a run says on stdout is written down as it comes. After the cut the disk is mounted anew; whatever was told before
as acknowledged or verified must be so in the journal, and lie at the target. Then the same command must bring all home.

Half of the runs die with the disk, as in a real power cut: all their processes are stopped, then the power is cut, then
they are killed. The others live on with a dead disk, and must say so. What these tell after the cut is not judged: in
that very moment the kernel takes a sync for done whose transaction it has just thrown away.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tests.support.cli import Cli
from tests.support.moves import NAME, Move
from tests.support.sshd import descendants, wait_for
from tests.support.trees import build_many, differences, set_folder_times, write_file
from torture.disks import Cut, Disk, disk
from torture.fail_points import events, untrue
from torture.rows import Options, Outcome, Row

Side = Literal["state", "target"]
_CUTS = 100
_FILES = 300
_LARGE_BYTES = 9 * 1024 * 1024
_COMMAND = ("run", "--until", "verified", "--yes")
_SECONDS = 120
# What a run that loses its disk may end with; 0: it was over before.
_CODES = {"state": {0, 9}, "target": {0, 3, 10}}


class Moment(NamedTuple):
    """When the power is cut, and how."""

    facts: int  # that many items have been told
    how: Cut
    lives_on: bool = True  # the run does, and only its disk is gone


class CutRun(NamedTuple):
    """A run under which the power was cut."""

    said: str  # before the cut
    code: int  # negative: it died with its disk
    words: str  # what it said afterwards


def torture(side: Side, options: Options, cuts: int = _CUTS) -> Outcome:
    """Cut the power under one side again and again, each time in a move that has just begun."""
    chance = random.Random(options.seed)  # noqa: S311 - drawn again with the same seed, and no secret
    found: list[str] = []
    told = in_time = 0
    with disk(options.folder) as small:
        move, cli = prepared(side, options.folder, small)
        for number in range(options.count(cuts)):
            moment = Moment(chance.randint(0, 2 * _FILES), chance.choice(list(Cut)), lives_on=number % 2 == 1)
            _begin_anew(move, cli)
            run = cut_during_a_run(cli, small, moment)
            told += len(list(_facts(run.said)))
            in_time += run.code != 0
            lines = [*_judged(side, run), *missing(cli, move, run), *_converged(cli, move)]
            found += [f"cut {number} under the {side}, {moment}: {line}" for line in lines]
    tried = options.count(cuts)
    return Outcome(tried, tuple(found), f"{told:,} facts told before {in_time} cuts in mid-run")


def prepared(side: Side, folder: Path, small: Disk) -> tuple[Move, Cli]:
    """A move with that side of it on the disk, and its command line."""
    target = (small.mount if side == "target" else folder) / "target"
    move = Move(folder, folder / "source", target)
    build_many(bytes(move.source), _FILES)
    write_file(bytes(move.source / "large"), os.urandom(_LARGE_BYTES))
    os.symlink("large", move.source / "link")
    set_folder_times(bytes(move.source))
    return move, replace(move.cli(), state=(small.mount if side == "state" else folder) / "state")


def _begin_anew(move: Move, cli: Cli) -> None:
    for place in (move.target, cli.state):
        shutil.rmtree(place, ignore_errors=True)
    move.frozen.unlink(missing_ok=True)
    os.sync()


def cut_during_a_run(cli: Cli, small: Disk, moment: Moment) -> CutRun:
    """Run, cut the power when so many facts have been told, let the run end, and mount the disk anew."""
    said: list[str] = []
    with cli.started(*_COMMAND, "--json") as process:
        assert process.stdout is not None
        facts = 0
        for line in process.stdout:
            said.append(line)
            facts += '"item.' in line
            if facts >= moment.facts:
                break
        family = descendants(process.pid)
        if moment.lives_on:
            small.cut(moment.how)
        else:
            said.append(_stopped_and_cut(process, family, small, moment.how))
        words = _rest_of(process)
        code = process.wait(_SECONDS)
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in family), "everything of the run leaves", 20)
    small.power_on()
    return CutRun("".join(said), code, words)


def _stopped_and_cut(process: subprocess.Popen[str], family: Sequence[int], small: Disk, how: Cut) -> str:
    """Have everything stand still, cut the power, and kill it; what had been said by then and was not read yet."""
    assert process.stdout is not None
    everybody = (process.pid, *family)
    _signal(everybody, signal.SIGSTOP)
    wait_for(lambda: all(_stands_still(pid) for pid in everybody), "everything stands still", 20)
    small.cut(how)
    _signal(everybody, signal.SIGKILL)
    return process.stdout.read()


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _stands_still(pid: int) -> bool:
    """Stopped, or gone."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "TZX"


def _rest_of(process: subprocess.Popen[str]) -> str:
    """What the run says until it ends; one that does not end by itself is killed, and its exit code tells."""
    try:
        return process.communicate(timeout=_SECONDS)[0]
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # not SIGKILL, which is what those get that die with their disk
        return process.communicate()[0]


def _judged(side: Side, run: CutRun) -> Iterator[str]:
    if run.code not in {-signal.SIGKILL, *_CODES[side]}:
        yield f"exit {run.code} is wrong: {run.words[-1000:]}"


def missing(cli: Cli, move: Move, run: CutRun) -> list[str]:
    """Facts that were told, and are not known, or not there, after the cut.

    A run that lives on may say of an item that it can no longer be read; it must be there all the same.
    """
    told = list(_facts(run.said))
    exported = cli("export").lines() if (cli.state / "moving-house" / "journal.db").exists() else []
    unreadable = {event["path_b64"] for event in events(run.words) if event.get("event") == "item.failed"}
    for row in exported:
        if row["class"] == "failed" and row["path_b64"] in unreadable:
            row["class"] = "verified"  # to be looked for like one
    lines = untrue(run.said, exported, move.target)
    verified = {row["path_b64"] for row in exported if row["class"] == "verified"}
    known = verified | {row["path_b64"] for row in exported if row["class"] == "acknowledged"}
    lines += [
        f"{fact['path']} was told as {fact['event']}, and the journal does not know it"
        for fact in told
        if fact["path_b64"] not in (verified if fact["event"] == "item.verified" else known)
    ]
    places = {row["path"]: move.target / row["path"] for row in exported if row["path_b64"] in known and row["path"]}
    lines += [f"{path} is recorded, and not there" for path, place in places.items() if not os.path.lexists(place)]
    return lines


def _converged(cli: Cli, move: Move) -> Sequence[str]:
    cli(*_COMMAND, timeout_seconds=_SECONDS)
    lines = differences(move.source, move.target, everything=True)
    phases = cli.phases()
    return lines if phases == {NAME: "verified"} else [*lines, f"the same command led to {phases}"]


def _facts(said: str) -> Iterator[dict[str, Any]]:
    for line in said.splitlines():
        if line.startswith("{") and line.endswith("}"):
            event = json.loads(line)
            if event.get("event") in ("item.acknowledged", "item.verified"):
                yield event


def _row(side: Side) -> Row:
    about = f"the power is cut under the {side}: nothing told is missing afterwards"
    return Row(f"power-cut-{side}", about, lambda options: torture(side, options))


ROWS = (_row("state"), _row("target"))
