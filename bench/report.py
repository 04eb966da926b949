"""The results as Markdown: times, ratios, goals, and what limits each row."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from bench.delay_line import WAN
from bench.measuring import FAR, OURS, SSH, SSHD, WHOSE, Cost
from bench.peers import Peer, versions
from bench.turns import Results

_MB = 1_000_000
_BUSY = 0.85  # from this share on something counts as what limits


def tables(results: Results) -> Iterator[str]:
    """One row of the comparison: its table, how it stands to its goals, and what limits it."""
    row = results.row
    turns = list(results.costs.values())
    ours = _wall(turns[0])
    others = median([each.other_seconds / each.wall_seconds for costs in turns for each in costs])
    yield f"### {row.title}"
    yield ""
    yield (
        f"{results.size_bytes / _MB:.1f} MB; {len(turns[0])} turns each. Load {results.load_before:.1f} at the start; "
        f"anything else on the machine used {others:.2f} of a core meanwhile."
    )
    if results.missing:
        yield f"Not on this machine, so left out: {', '.join(results.missing)}."
    yield ""
    yield "| program | median s | min s | max s | time / ours | CPU s | peak MB |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name, costs in results.costs.items():
        walls = [cost.wall_seconds for cost in costs]
        processor = median([sum(cost.processor_seconds.values()) for cost in costs])
        peak = max(cost.peak_bytes for cost in costs) / _MB
        yield (
            f"| {name} | {_wall(costs):.2f} | {min(walls):.2f} | {max(walls):.2f} | {_wall(costs) / ours:.2f} "
            f"| {processor:.2f} | {peak:.0f} |"
        )
    yield ""
    yield from _goals(results, ours)
    yield from _limits(results)


def _goals(results: Results, ours: float) -> Iterator[str]:
    row = results.row
    for name, goal in row.goals.items():
        if name in results.costs:
            ratio = _wall(results.costs[name]) / ours
            yield f"- Goal: {goal:g} x as fast as `{name}`; measured {ratio:.2f} x: {verdict(ratio, goal)}."
    if row.least_line_share is not None:
        share = median([line_share(cost) for cost in next(iter(results.costs.values()))])
        reached = verdict(share, row.least_line_share)
        yield f"- Goal: {row.least_line_share:.0%} of the line; measured {share:.0%}: {reached}."
    if row.goals or row.least_line_share is not None:
        yield ""


def verdict(measured: float, goal: float) -> str:
    """How a figure that should be large stands to its goal."""
    return "reached" if measured >= goal else f"short of it by {1 - measured / goal:.0%}"


def verdict_below(measured: float, goal: float) -> str:
    """How a figure that should be small stands to its goal."""
    return "reached" if measured <= goal else f"over it by {measured / goal - 1:.0%}"


def line_share(cost: Cost) -> float:
    """How much of the line was used, start and end of the program included: of what it carries in one direction."""
    return cost.line_bytes / cost.wall_seconds / WAN.rate_bytes


def _limits(results: Results) -> Iterator[str]:
    yield "| program | what limits it | CPU s: program | ssh | sshd | far side | sent MB | written MB |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name, costs in results.costs.items():
        by_whom = " | ".join(f"{median([cost.processor_seconds[whose] for cost in costs]):.2f}" for whose in WHOSE)
        sent = _middle(costs, lambda cost: cost.line_bytes / _MB)
        written = _middle(costs, lambda cost: cost.written_bytes / _MB)
        limit = limit_of(costs, has_delay=results.row.has_delay)
        yield f"| {name} | {limit} | {by_whom} | {sent:.1f} | {written:.1f} |"


def limit_of(costs: Sequence[Cost], *, has_delay: bool) -> str:
    """What was used most in the middle turn, by rule: the line, all cores, one process that filled one, the disk.

    Where none of them was used to 85 %, the turn was spent waiting - for round trips, or for one process after the
    other - and the nearest of them is named.
    """
    cost = sorted(costs, key=lambda each: each.wall_seconds)[len(costs) // 2]
    wall = cost.wall_seconds
    cores = os.cpu_count() or 1
    used = sum(cost.processor_seconds[whose] for whose in WHOSE) / wall
    whose, seconds = cost.busiest
    found = [
        (used / cores, f"the processor: {used:.2f} of {cores} cores"),
        (seconds / wall, f"{_named(whose)} CPU: {seconds / wall:.2f} of one core"),
        (cost.disk_seconds / wall, f"the disk: busy {cost.disk_seconds / wall:.0%} of the time"),
    ]
    if has_delay:
        found.insert(0, (line_share(cost), f"the line: {line_share(cost):.0%} of it"))
    for share, words in found:
        if share >= _BUSY:
            return words
    if used + cost.other_seconds / wall >= _BUSY * cores:
        return f"the processor, of whose {cores} cores others used {cost.other_seconds / wall:.2f}: no fair turn"
    return f"waiting; nearest is {max(found)[1]}"


def _named(whose: str) -> str:
    return {OURS: "the program's", SSH: "the ssh client's", SSHD: "sshd's", FAR: "the far side's"}[whose]


def conditions() -> Iterator[str]:
    """The machine, the versions, and the line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _MB / 1000
    yield f"- {os.cpu_count()} cores ({_processor()}), {memory:.0f} GB of memory, Linux {platform.release()}, {_disk()}"
    yield f"- {'; '.join(versions())}"
    yield (
        f"- delay line: {WAN.one_way_seconds * 1000:.0f} ms and {WAN.rate_bytes / _MB:.0f} MB/s each way, for all "
        f"connections together; at most {WAN.in_flight_bytes / _MB:.0f} MB under way in one direction of a connection"
    )


def settings(peers: Sequence[Peer]) -> Iterator[str]:
    """How each program was called."""
    for peer in dict.fromkeys(peers):
        yield f"| `{peer.name}` | {peer.note} |"


def _wall(costs: Sequence[Cost]) -> float:
    return _middle(costs, lambda cost: cost.wall_seconds)


def _middle(costs: Sequence[Cost], figure: Callable[[Cost], float]) -> float:
    return median([figure(cost) for cost in costs])


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.machine()


def _disk() -> str:
    found = subprocess.run(
        ["df", "--output=fstype", tempfile.gettempdir()], capture_output=True, text=True, check=False
    )
    return f"{found.stdout.split()[-1]} below the temporary folder" if found.returncode == 0 else "an unknown disk"
