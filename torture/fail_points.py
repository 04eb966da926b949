"""Every action at every named fail-point; then the checker, and the same command once more, unharmed.

The exit code must say what failed, and what was told as done must be there.
"""

from __future__ import annotations

import base64
import hashlib
import json
import signal
import subprocess
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from migrator.failpoints import LOG_VARIABLE, POINTS, VARIABLE
from migrator.failpoints.acting import ACTIONS
from tests.faults.checker.checking import violations
from tests.faults.checker.evidence import Before
from tests.support.cli import COMMAND, clean_environment
from torture.kill_ground import Ground
from torture.kill_scenarios import Scenario, build_large, build_little, change_little
from torture.rows import Options, Outcome, Row

_WORKERS = 2
_RUN_SECONDS = 120

# What a command may say of each. A mover that is killed is replaced, what a disk did not take once is tried again.
CODES = {
    "kill": {0, -signal.SIGKILL},
    "raise": {1},
    "delay": {0},
    "eio": {0, 3, 9, 10},  # an item, this machine, the target
    "enospc": {3, 9, 10},
    "edquot": {3, 9, 10},
}


class Failure(NamedTuple):
    """One failure on purpose, as the variable takes it."""

    point: str
    action: str
    number: int = 1

    def __str__(self) -> str:
        return ":".join(map(str, self))


def _build(source: Path) -> None:
    build_little(source)
    build_large(source)


def _change(source: Path) -> None:
    change_little(source)
    with (source / "changing").open("r+b") as file:
        file.seek(8 << 20)
        file.write(b"changed in place")


CUTOVER = Scenario(
    "cutover",
    "catch-up, freeze, final sync, verification and switch",
    _build,
    ("run", "--until", "switched-over", "--yes"),
    ("run", "--until", "seeded"),
    _change,
)
WAY_BACK = Scenario(
    "roll-back",
    "a roll-back",
    build_little,
    ("roll-back", "--yes"),
    ("run", "--until", "verified", "--yes"),
)
_ON_THE_WAY_BACK = ("undo",)
_ELSEWHERE = ("papers",)  # tests/faults/test_fail_points.py


class FailingGround(Ground):
    """A scenario to have fail again and again."""

    def fail(self, failure: Failure) -> list[str] | None:
        """What was violated by it, and after it; None when the command never came to that point."""
        log = self.move.folder.with_name("failed.log")
        log.unlink(missing_ok=True)
        return self.spoil({VARIABLE: str(failure), LOG_VARIABLE: str(log)}, log.exists, CODES[failure.action])

    def spoil(
        self, environment: dict[str, str], has_failed: Callable[[], bool], codes: Collection[int]
    ) -> list[str] | None:
        """Run with something in the environment that makes it fail; what was violated, None when nothing failed."""
        self._put_back()
        before = Before.of(self.place)
        code, said = self._run(environment)
        if not has_failed():
            return None if code == 0 else [f"exit {code} although nothing failed: {said[-500:]}"]
        found = [] if code in codes else [f"exit {code} is wrong: {said[-1000:]}"]
        if code == 1 and "a bug in migrator: FailPointReached" not in said and "fail-point" not in said:
            found.append(f"a bug of our own: {said[-1000:]}")
        evidence = replace(self._evidence(before, said), has_ended=code == 0)
        found += [f"after the failure: {line}" for line in violations(evidence)]
        found += [f"after the failure: {line}" for line in untrue(said, evidence.exported, self.move.target)]
        again = self.cli(*self.scenario.command, timeout_seconds=_RUN_SECONDS)
        ended = replace(self._evidence(before, again.stdout + again.stderr), has_ended=True)
        return found + [f"at the end: {line}" for line in (*violations(ended), *self._unequal())]

    def _run(self, environment: dict[str, str]) -> tuple[int, str]:
        verb, *options = self.scenario.command
        done = subprocess.run(
            [*COMMAND, verb, str(self.cli.plan), *options, "--json", "--state", str(self.cli.state)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**clean_environment(), **environment},
            timeout=_RUN_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


def untrue(said: str, exported: Sequence[dict[str, Any]], target: Path) -> list[str]:
    """What was told as in place or verified, and is not there, or not known any more."""
    known = {row["path_b64"]: row["class"] for row in exported}
    lines = []
    for event in events(said):
        if event.get("event") not in ("item.acknowledged", "item.verified") or event["kind"] != "file":
            continue
        place = target / Path(base64.b64decode(event["path_b64"]).decode(errors="surrogateescape"))
        if known.get(event["path_b64"]) not in ("acknowledged", "verified"):
            lines.append(f"{event['path']} was told, and is {known.get(event['path_b64'])} in the journal")
        if not place.is_file():
            lines.append(f"{event['path']} was told, and is not there")
        elif event.get("sha256") not in (None, hashlib.sha256(place.read_bytes()).hexdigest()):
            lines.append(f"{event['path']} was told, and has other content")
    return lines


def events(said: str) -> Iterator[dict[str, Any]]:
    """The objects among the lines that a run has printed."""
    for line in said.splitlines():
        if line.startswith("{") and line.endswith("}"):
            yield json.loads(line)


def failures(scenario: Scenario, most: int) -> list[Failure]:
    """Every action at every point of a scenario, for the first, second ... `most`-th time there."""
    is_back = scenario is WAY_BACK
    points = [point for point in POINTS if (point in _ON_THE_WAY_BACK) is is_back and point not in _ELSEWHERE]
    return [Failure(*each, number) for number in range(1, most + 1) for each in _pairs(points)]


def _pairs(points: Sequence[str]) -> list[tuple[str, str]]:
    return [(point, action) for point in points for action in ACTIONS]


def torture(scenario: Scenario, options: Options, *, most: int = 3, workers: int = _WORKERS) -> Outcome:
    """Every `options.stride`-th of the failures of a scenario."""
    grounds = [FailingGround.prepare(scenario, options.folder / str(number), "process") for number in range(workers)]
    turns = iter(failures(scenario, most)[options.seed % options.stride :: options.stride])
    turn = threading.Lock()
    reached: list[str] = []
    found: list[str] = []
    missed: list[str] = []

    def work(ground: FailingGround) -> None:
        while True:
            with turn:
                failure = next(turns, None)
            if failure is None:
                return
            lines = _lines_of(ground, failure)
            if lines is None:
                missed.append(str(failure))
            else:
                reached.append(failure.point)
                found.extend(lines)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, grounds))
    # The first time there must come; only a second or third one may be too many.
    found += [f"{each}: the scenario never came there" for each in missed if each.endswith(":1")]
    return Outcome(len(reached), tuple(found), f"{len(set(reached))} points, {len(missed)} further turns never came")


def _lines_of(ground: FailingGround, failure: Failure) -> list[str] | None:
    """The violations of one failure, each with its point."""
    try:
        lines = ground.fail(failure)
    except (AssertionError, subprocess.SubprocessError) as error:
        lines = [str(error)]
    return None if lines is None else [f"{failure}: {line}" for line in lines]


def _row(scenario: Scenario) -> Row:
    about = f"{scenario.about}: {', '.join(ACTIONS)} at every named fail-point, three times over"
    return Row(f"fail-points-{scenario.name}", about, lambda options: torture(scenario, options))


ROWS = (_row(CUTOVER), _row(WAY_BACK))
