"""SIGKILL before the k-th call of every system call that writes, in five scenarios; then the checker, and once more.

After each kill what lies there is checked from outside; then the same command is typed again, unharmed, and must end
as a run that nobody killed: same phase, same tree, same classes and digests, and a target equal to the source.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed

from torture.far_side import far_side
from torture.kill_ground import Ground, Victim
from torture.kill_scenarios import SCENARIOS, Scenario
from torture.rows import Options, Outcome, Row

_WORKERS = 2
Point = tuple[str, int]


def torture(
    scenario: Scenario, options: Options, victim: Victim = "tree", *, is_far: bool = False, workers: int = _WORKERS
) -> Outcome:
    """Kill before every `options.stride`-th of all the calls that a run of the scenario makes."""
    with contextlib.ExitStack() as stack:
        grounds = []
        for folder in (options.folder / str(number) for number in range(workers)):
            far = stack.enter_context(far_side(folder / "far")) if is_far else None
            grounds.append(Ground.prepare(scenario, folder, victim, far))
        counts = grounds[0].counts
        every = [(name, at) for name, count in sorted(counts.items()) for at in range(1, count + 1)]
        points = every[options.seed % min(options.stride, len(every)) :: options.stride]
        lines, missed = _killed_at(points, grounds)
    words = f"of {len(every)} calls of {len(counts)} names; {missed} came to their end before"
    return Outcome(len(points) - missed, tuple(lines), words)


def _killed_at(points: list[Point], grounds: list[Ground]) -> tuple[list[str], int]:
    """The violations at all of the points, and how many of them no run came to; the grounds work side by side."""
    rest = iter(points)
    turn = threading.Lock()
    is_over = threading.Event()
    outcomes: list[list[str] | None] = []

    def work(ground: Ground) -> None:
        while not is_over.is_set():
            with turn:
                point = next(rest, None)
            if point is None:
                return
            outcomes.append(_lines_of(ground, *point))

    with ThreadPoolExecutor(len(grounds)) as pool:
        try:
            for each in as_completed([pool.submit(work, ground) for ground in grounds]):
                each.result()
        finally:
            is_over.set()  # after a Ctrl-C, or when one of them broke off, the others end with the kill at hand
    return [line for lines in outcomes for line in lines or ()], outcomes.count(None)


def _lines_of(ground: Ground, name: str, at: int) -> list[str] | None:
    """The violations of one kill, each with its point; a re-run that fails is one, too."""
    try:
        lines = ground.kill(name, at)
    except (AssertionError, subprocess.SubprocessError) as error:
        lines = [str(error)]
    return None if lines is None else [f"{ground.scenario.name}, before {name} {at}: {line}" for line in lines]


def _row(name: str, who: str, scenario: Scenario, victim: Victim, *, is_far: bool = False) -> Row:
    about = f"{scenario.about}: {who} killed before every call that writes"
    return Row(name, about, lambda options: torture(scenario, options, victim, is_far=is_far))


ROWS = (
    *(_row(f"killed-{each.name}", "all of it", each, "tree") for each in SCENARIOS),
    *(_row(f"lost-{each.name}", "one process", each, "process") for each in SCENARIOS),
    *(_row(f"far-{each.name}", "all at this side of SSH", each, "tree", is_far=True) for each in SCENARIOS[:3]),
    *(_row(f"agent-{each.name}", "the agents at the target", each, "agent", is_far=True) for each in SCENARIOS[:3]),
)
