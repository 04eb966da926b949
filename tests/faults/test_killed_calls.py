"""SIGKILL before a system call that writes: the short form of what `python -m torture` does before all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from torture import tracer
from torture.kill_ground import Victim
from torture.kill_scenarios import SCENARIOS, Scenario
from torture.killed_calls import torture
from torture.rows import Options

STRIDE = 350


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_killed_before_a_call(scenario: Scenario, tmp_path: Path) -> None:
    outcome = torture(scenario, Options(tmp_path, STRIDE), workers=1)
    assert outcome.violations == ()
    assert outcome.tried >= 2, outcome.words


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("victim", "is_far", "stride"),
    [("process", False, 400), ("agent", True, 120), ("tree", True, 400)],
    ids=["one process", "the agent", "this side of the link"],
)
def test_a_part_of_it_killed(victim: Victim, is_far: bool, stride: int, tmp_path: Path) -> None:
    outcome = torture(SCENARIOS[0], Options(tmp_path, stride, seed=100), victim, is_far=is_far, workers=1)
    assert outcome.violations == ()
    assert outcome.tried >= 1, outcome.words


def traced(folder: Path, name: str, at: int, scope: str, script: str) -> dict[str, object]:
    """Run a shell script in `folder` under the tracer; what was reported of it."""
    report = folder / "report"
    command = [sys.executable, "-I", tracer.__file__, str(report), name, str(at), scope, "sh", "-c", script]
    subprocess.run(command, cwd=folder, check=True, timeout=60)
    found: dict[str, object] = json.loads(report.read_text())
    report.unlink()
    return found


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


MAKES_THREE = "mkdir a; mkdir b; mkdir c"


def test_the_tracer_kills_before_the_call_and_not_after_it(tmp_path: Path) -> None:
    for at in (1, 2, 3):
        folder = tmp_path / str(at)
        folder.mkdir()
        seen = traced(folder, "mkdir", at, "tree", MAKES_THREE)
        assert (seen["killed"], seen["code"]) == ("mkdir", -9)
        assert names(folder) == set("abc"[: at - 1])


def test_the_tracer_kills_one_process_alone(tmp_path: Path) -> None:
    seen = traced(tmp_path, "mkdir", 2, "process", MAKES_THREE)
    assert (seen["killed"], seen["code"]) == ("mkdir", 0)
    assert names(tmp_path) == {"a", "c"}


def test_the_tracer_counts_what_writes_and_kills_nothing_unasked(tmp_path: Path) -> None:
    seen = traced(tmp_path, "mkdir", 4, "tree", f"{MAKES_THREE}; cat < /dev/null; : > file")
    assert seen["killed"] is None
    assert seen["code"] == 0
    counts = seen["counts"]
    assert isinstance(counts, dict)
    assert (counts["mkdir"], counts["openat"]) == (3, 1), "an opening that only reads does not count"
    assert names(tmp_path) == {"a", "b", "c", "file"}
