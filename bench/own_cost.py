"""What migrator costs by itself: its start, the commands that only show something, and the journal's share of a run."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import data, peers
from bench.measuring import measured
from bench.peers import Crossing
from bench.report import verdict_below
from bench.turns import compare, say, server_for

_HELP_GOAL_SECONDS = _STATUS_GOAL_SECONDS = 0.3
_JOURNAL_GOAL = 0.05


@dataclass(frozen=True)
class OwnCost:
    """Seconds, one figure a turn."""

    files: int
    help_seconds: list[float]
    status_seconds: list[float]
    empty_seconds: list[float]
    run_seconds: list[float]
    journal_seconds: list[float]  # of each of these runs


def own_cost(files: int, repeats: int) -> OwnCost:
    """Measure all of it, with so many small files behind SSH."""
    with tempfile.TemporaryDirectory(prefix="migrator-bench-") as folder:
        base = Path(folder)
        for name in ("source", "empty"):
            (base / name).mkdir()
        say("own cost: building the data")
        data.many_files(base / "source", files)
        cost = OwnCost(files, [], [], [], [], [])
        with server_for(base, base / "source") as server:
            for repeat in range(repeats):
                scratch = base / f"turn-{repeat}"
                for name in ("full", "nothing"):
                    (scratch / name).mkdir(parents=True)
                full, nothing = (
                    Crossing("source", server, server.port, base / source, scratch / name / "target", scratch / name)
                    for source, name in (("source", "full"), ("empty", "nothing"))
                )
                _turn(cost, full, nothing)
                say(f"own cost: turn {repeat + 1}: {cost.run_seconds[-1]:.2f} s")
        return cost


def _turn(cost: OwnCost, full: Crossing, nothing: Crossing) -> None:
    seed = peers.migrator("run", "--until", "seeded")
    probe = full.scratch / "journal"
    words = seed(full)[3:]  # behind `python -m migrator`
    run = measured([sys.executable, "-m", "bench.journal_probe", str(probe), *words], *_around(full))
    compare(full.source, full.target)
    cost.run_seconds.append(run.wall_seconds)
    cost.journal_seconds.append(float(probe.read_text()))
    cost.empty_seconds.append(measured(seed(nothing), *_around(nothing)).wall_seconds)
    cost.status_seconds.append(measured(peers.migrator("status")(full), *_around(full)).wall_seconds)
    cost.help_seconds.append(measured([sys.executable, "-m", "migrator", "--help"], *_around(full)).wall_seconds)
    shutil.rmtree(full.scratch.parent)


def own_cost_table(cost: OwnCost) -> Iterator[str]:
    """The figures and their goals."""
    shares = [journal / run for journal, run in zip(cost.journal_seconds, cost.run_seconds, strict=True)]
    yield "### what migrator costs by itself"
    yield ""
    yield "| what | median | min | max | goal |"
    yield "| --- | ---: | ---: | ---: | --- |"
    yield _line("`migrator --help`", cost.help_seconds, _HELP_GOAL_SECONDS)
    yield _line(f"`migrator status`, {cost.files} files", cost.status_seconds, _STATUS_GOAL_SECONDS)
    yield _line("`migrator run --until seeded`, nothing to copy: the start-up in every row", cost.empty_seconds)
    yield _line(f"the same, {cost.files} small files, with the journal's time taken", cost.run_seconds)
    yield (
        f"| share of that run inside SQLite, synced commits included | {median(shares):.1%} | {min(shares):.1%} "
        f"| {max(shares):.1%} | at most {_JOURNAL_GOAL:.0%}: {verdict_below(median(shares), _JOURNAL_GOAL)} |"
    )


def _line(what: str, seconds: list[float], goal: float | None = None) -> str:
    stands = "" if goal is None else f"at most {goal:g} s: {verdict_below(median(seconds), goal)}"
    return f"| {what} | {median(seconds):.2f} s | {min(seconds):.2f} s | {max(seconds):.2f} s | {stands} |"


def _around(crossing: Crossing) -> tuple[int, Callable[[], int], Path]:
    """The server, and where the command's words go; what crosses is not counted here."""
    return crossing.server.process.pid, lambda: 0, crossing.scratch / "output"
