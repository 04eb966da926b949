"""Cost against size: seed, a pass without changes, and verification of ever more small files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import data, peers
from bench.measuring import Cost, measured
from bench.peers import Crossing
from bench.report import verdict_below
from bench.turns import compare, say, server_for

_WORK: tuple[tuple[str, Callable[[Crossing], list[str]]], ...] = (
    ("seed", peers.migrator("run", "--until", "seeded")),
    ("pass without changes", peers.migrator("run", "--until", "seeded")),
    ("verify", peers.migrator("verify")),
)
_BAR = 40
_RATIO_GOAL = 1.15
_PEAK_GOAL_BYTES = 200_000_000
_BYTES_PER_FILE = 2 * 6_000  # source and target, with what the file system and the journal add; rounded up


@dataclass(frozen=True)
class Growth:
    """What one size cost, by the work."""

    files: int
    costs: dict[str, Cost]

    def per_file_seconds(self, work: str, start_up: Growth) -> float:
        """Time a file, without what the same work takes on an empty dataset."""
        return max(0.0, self.costs[work].wall_seconds - start_up.costs[work].wall_seconds) / self.files


def grow(sizes: Sequence[int]) -> list[Growth]:
    """An empty dataset, then each size once, from its seed to its verification."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if (needed := max(sizes) * _BYTES_PER_FILE) > free:
        raise SystemExit(
            f"error: {max(sizes)} files need some {needed / 1e9:.0f} GB below {tempfile.gettempdir()}, "
            f"{free / 1e9:.0f} are free\n\nhint: leave sizes out with --size, or set TMPDIR"
        )
    return [_one(files) for files in (0, *sorted(sizes))]


def _one(files: int) -> Growth:
    with tempfile.TemporaryDirectory(prefix="migrator-bench-") as folder:
        base = Path(folder)
        source, scratch = base / "source", base / "scratch"
        source.mkdir()
        scratch.mkdir()
        say(f"growth: building {files} files")
        data.many_files(source, files)
        costs = {}
        with server_for(base, source) as server:
            crossing = Crossing("source", server, server.port, source, scratch / "target", scratch)
            for name, command in _WORK:
                costs[name] = measured(command(crossing), server.process.pid, lambda: 0, scratch / "output")
                say(f"growth: {files} files, {name}: {costs[name].wall_seconds:.1f} s")
            compare(source, crossing.target)
        return Growth(files, costs)


def growth_table(found: Sequence[Growth]) -> Iterator[str]:
    """Seconds, microseconds a file as a bar, and memory; the ratio is to the smallest size."""
    start_up, *sizes = found
    yield "### growth"
    yield ""
    yield "One turn a size. A file's time is without what the same command takes on an empty dataset."
    yield ""
    yield "| work | files | seconds | µs a file | ratio | peak MB | µs a file, as a bar |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | --- |"
    for name, _ in _WORK:
        empty = start_up.costs[name]
        yield f"| {name} | 0 | {empty.wall_seconds:.1f} | | | {empty.peak_bytes / 1e6:.0f} | |"
        per_file = [each.per_file_seconds(name, start_up) for each in sizes]
        for each, seconds in zip(sizes, per_file, strict=True):
            cost = each.costs[name]
            bar = "█" * max(1, round(_BAR * seconds / max(*per_file, 1e-9)))
            yield (
                f"| {name} | {each.files} | {cost.wall_seconds:.1f} | {seconds * 1e6:.0f} "
                f"| {_ratio(seconds, per_file[0])} | {cost.peak_bytes / 1e6:.0f} | {bar} |"
            )
    yield ""
    yield from _goals(start_up, sizes)


def _goals(start_up: Growth, sizes: Sequence[Growth]) -> Iterator[str]:
    for name, _ in _WORK:
        first, last = (each.per_file_seconds(name, start_up) for each in (sizes[0], sizes[-1]))
        if first > 0 and len(sizes) > 1:
            yield (
                f"- Goal: {name}, time a file at {sizes[-1].files} at most {_RATIO_GOAL} x that at {sizes[0].files}; "
                f"measured {last / first:.2f} x: {verdict_below(last / first, _RATIO_GOAL)}."
            )
    peak = max(cost.peak_bytes for each in sizes for cost in each.costs.values())
    yield (
        f"- Goal: at most {_PEAK_GOAL_BYTES / 1e6:.0f} MB in any process; measured {peak / 1e6:.0f} MB: "
        f"{verdict_below(peak, _PEAK_GOAL_BYTES)}."
    )


def _ratio(seconds: float, smallest: float) -> str:
    return f"{seconds / smallest:.2f}" if smallest > 0 else "-"
