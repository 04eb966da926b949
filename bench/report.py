"""The results as Markdown: times, ratios, goals, and what limits each row."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.delay_line import IN_FLIGHT_BYTES, ONE_WAY_SECONDS, RATE_BYTES
from bench.measuring import FAR, OURS, SSH, SSHD, WHOSE, Cost, median
from bench.peers import Peer, versions
from bench.turns import Results

_MB = 1_000_000
_BUSY = 0.85  # from this share on something counts as what limits


def tables(results: Results) -> Iterator[str]:
    """One row of the comparison: its table, how it stands to its goals, and what limits it."""
    row = results.row
    repeats = max(len(turns) for turns in results.costs.values())
    yield f"### {row.title}"
    yield ""
    yield f"{results.size_bytes / _MB:.1f} MB moved; {repeats} turns each; load {results.load_before:.1f} at the start."
    yield ""
    yield "| program | median s | min s | max s | time / ours | CPU s | peak MB | what limits it |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
    ours = _wall(next(iter(results.costs.values())))
    for name, turns in results.costs.items():
        walls = [turn.wall_seconds for turn in turns]
        processor = median([sum(turn.processor_seconds.values()) for turn in turns])
        peak = max(turn.peak_bytes for turn in turns) / _MB
        yield (
            f"| {name} | {_wall(turns):.2f} | {min(walls):.2f} | {max(walls):.2f} | {_wall(turns) / ours:.2f} "
            f"| {processor:.2f} | {peak:.0f} | {limit_of(turns, has_delay=row.has_delay)} |"
        )
    yield ""
    yield from _goals(results, ours)


def _goals(results: Results, ours: float) -> Iterator[str]:
    for name, goal in results.row.goals.items():
        if name in results.costs:
            ratio = _wall(results.costs[name]) / ours
            verdict = "reached" if ratio >= goal else f"short of it by a factor of {goal / ratio:.2f}"
            yield f"- Goal: {goal:g} x as fast as `{name}`; measured {ratio:.2f} x: {verdict}."
    if results.row.goals:
        yield ""


def limit_of(turns: Sequence[Cost], *, has_delay: bool) -> str:
    """What was used most, by rule: the line, one process that filled a core, all cores, or waiting."""
    turn = sorted(turns, key=lambda each: each.wall_seconds)[len(turns) // 2]
    wall = turn.wall_seconds
    share = turn.line_bytes / wall / RATE_BYTES
    shares = {whose: turn.processor_seconds[whose] / wall for whose in WHOSE}
    cores = os.cpu_count() or 1
    whose, seconds = turn.busiest
    parts = [f"{whose} {shares[whose]:.2f}" for whose in (OURS, SSH, SSHD, FAR) if shares[whose] >= 0.01]
    used = f"(cores used: {', '.join(parts)}; {turn.written_bytes / wall / _MB:.0f} MB/s written)"
    if has_delay and share >= _BUSY:
        return f"the line, {share:.0%} of it {used}"
    if sum(shares.values()) >= _BUSY * cores:
        return f"the processor, all {cores} cores {used}"
    if seconds / wall >= _BUSY:
        return f"one process of {whose}, {seconds / wall:.2f} of a core {used}"
    return f"waiting: round trips, disk {used}"


def conditions() -> Iterator[str]:
    """The machine, the versions, and the line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _MB / 1000
    yield f"- {os.cpu_count()} cores ({_processor()}), {memory:.0f} GB of memory, Linux {platform.release()}, {_disk()}"
    yield f"- {'; '.join(versions())}"
    yield (
        f"- delay line: {ONE_WAY_SECONDS * 1000:.0f} ms each way, {RATE_BYTES / _MB:.0f} MB/s, at most "
        f"{IN_FLIGHT_BYTES / _MB:.0f} MB in flight in one direction of a connection"
    )


def settings(peers: Sequence[Peer]) -> Iterator[str]:
    """How each program was called."""
    for peer in dict.fromkeys(peers):
        yield f"| `{peer.name}` | {peer.note} |"


def _wall(turns: Sequence[Cost]) -> float:
    return median([turn.wall_seconds for turn in turns])


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.machine()


def _disk() -> str:
    found = subprocess.run(["df", "--output=fstype", "/tmp"], capture_output=True, text=True, check=False)  # noqa: S108 - where the data lies
    return f"{found.stdout.split()[-1]} below the temporary folder" if found.returncode == 0 else "an unknown disk"
