"""Cost against size: seed, a pass without changes, and verification of ever more small files."""

from __future__ import annotations

import getpass
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import data, peers
from bench.measuring import Cost, measured
from bench.peers import CIPHER, Crossing
from tests.support.sshd import Account, Setup, make_key, running_sshd

_WORK: tuple[tuple[str, Callable[[Crossing], list[str]]], ...] = (
    ("seed", peers.migrator("run", "--until", "seeded")),
    ("pass without changes", peers.migrator("run", "--until", "seeded")),
    ("verify", peers.migrator("verify")),
)
_BAR = 40


@dataclass(frozen=True)
class Growth:
    """What one size cost, by the work."""

    files: int
    costs: dict[str, Cost]


def grow(sizes: Sequence[int]) -> list[Growth]:
    """Each size once, from its seed to its verification."""
    return [_one(size) for size in sizes]


def _one(files: int) -> Growth:
    with tempfile.TemporaryDirectory(prefix="migrator-bench-") as folder:
        base = Path(folder)
        source, scratch = base / "source", base / "scratch"
        source.mkdir()
        scratch.mkdir()
        print(f"growth: building {files} files", file=sys.stderr, flush=True)
        data.many_files(source, files)
        account = Account(getpass.getuser(), source)
        setup = Setup(account, make_key(base / "id"), lines=("LogLevel INFO", f"Ciphers {CIPHER}"))
        costs = {}
        with running_sshd(setup) as server:
            crossing = Crossing("source", server, server.port, source, scratch / "target", scratch)
            for name, command in _WORK:
                costs[name] = measured(command(crossing), server.process.pid, lambda: 0, scratch / "output")
                print(f"growth: {files} files, {name}: {costs[name].wall_seconds:.1f} s", file=sys.stderr, flush=True)
        shutil.rmtree(scratch)
        return Growth(files, costs)


def growth_table(found: Sequence[Growth]) -> Iterator[str]:
    """Seconds, microseconds a file as a bar, and memory; the ratio is to the smallest size."""
    yield "| work | files | seconds | µs a file | ratio | peak MB | |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | --- |"
    for name, _ in _WORK:
        per_file = [each.costs[name].wall_seconds / each.files * 1e6 for each in found]
        for each, micros in zip(found, per_file, strict=True):
            cost = each.costs[name]
            bar = "█" * max(1, round(_BAR * micros / max(per_file)))
            yield (
                f"| {name} | {each.files} | {cost.wall_seconds:.1f} | {micros:.0f} | {micros / per_file[0]:.2f} "
                f"| {cost.peak_bytes / 1e6:.0f} | {bar} |"
            )
