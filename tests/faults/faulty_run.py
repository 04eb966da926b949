"""Runs of migrator over a line with faults, and what must hold after each: no partial file has a final name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from migrator.domain.plan import Lane, Ssh
from tests.faults.hostile_run import MOST_MEMORY_MB, Ended, measured
from tests.faults.proxy import Fault, faulty_line
from tests.support.moves import Move, give
from tests.support.plans import local, remote
from tests.support.sshd import Account, Sshd
from tests.support.trees import differences, snapshot, write_file

Way = Literal[
    "from sftp openssh",
    "from sftp paramiko",
    "from agent openssh",
    "from agent paramiko",
    "to sftp openssh",
    "to sftp paramiko",
    "to agent openssh",
    "to agent paramiko",
]
WAYS: tuple[Way, ...] = get_args(Way)

FILES = ((40, 3_000), (4, 400_000), (1, 9_000_000))  # the last goes in chunks
CLEAN_CODES = (0, 3, 10)


@dataclass(frozen=True)
class Fared:
    """How a run over a line with a fault ended."""

    ended: Ended
    violations: tuple[str, ...]
    has_struck: bool  # the fault
    silence_seconds: float  # the longest time that it held out on a line on which nothing came


@dataclass(frozen=True)
class Crossing:
    """One tree on its way through a proxy."""

    server: Sshd
    account: Account
    folder: Path  # for the plan, the state and the near end
    way: Way

    def prepared(self, port: int) -> Move:
        """The move, its far end behind the proxy at `port`, with nothing copied yet."""
        direction, lane, connector = self.way.split()
        spec = self.server.endpoint("paramiko" if connector == "paramiko" else "openssh")
        assert isinstance(spec.ssh, Ssh)
        far: Lane = "agent" if lane == "agent" else "sftp"
        end = remote(replace(spec, ssh=replace(spec.ssh, port=port)), far)
        ground = self.account.data / "line"
        for place in (ground, self.folder / "run"):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
        near = self.folder / "run"
        source, target = (ground / "source", near / "target") if direction == "from" else (near / "s", ground / "t")
        plant(source)
        give(ground, self.account)
        return Move(near, source, target, *((end, local()) if direction == "from" else (local(), end)))

    def run(self, fault: Fault, *, for_ever: bool = False) -> Fared:
        """Seed with that fault on all connections until it has struck, or for ever; then once more without."""
        with faulty_line(self.server.port, lambda _: fault) as proxy:
            if not for_ever:
                proxy.fault = lambda _: Fault() if proxy.has_faulted else fault
            move = self.prepared(proxy.port)
            cli = move.cli()
            argv = ["run", str(cli.plan), "--state", str(cli.state), "--until", "seeded"]
            ended = measured(argv, move.folder)
            violations = list(_violations(ended, move))
            proxy.fault = lambda _: Fault()
            has_struck, silence_seconds = proxy.has_faulted, max(proxy.silences, default=0.0)
            again = measured(argv, move.folder)
        if again.code != 0:
            violations.append(f"the next run ended with {again.code}: {again.said[-600:]}")
        elif found := differences(move.source, move.target, nanoseconds=False):
            violations.append(f"the next run left differences: {found[:3]}")
        shutil.rmtree(self.account.data / "line")
        return Fared(ended, tuple(violations), has_struck, silence_seconds)


def plant(root: Path) -> None:
    """Files of several sizes, each of content that no other has."""
    for number, (count, size) in enumerate(FILES):
        for each in range(count):
            write_file(bytes(root / f"folder {each % 3}" / f"file {number} {each}"), os.urandom(size))


def _violations(ended: Ended, move: Move) -> Iterator[str]:
    if ended.code not in CLEAN_CODES:
        yield f"exit {ended.code}: {ended.said[-600:]}"
    if "Traceback" in ended.said:
        yield f"a traceback: {ended.said[-3000:]}"
    if ended.code and not ("error:" in ended.said and "hint:" in ended.said):
        yield f"no error with a hint: {ended.said[-600:]}"
    if ended.memory_mb > MOST_MEMORY_MB:
        yield f"{ended.memory_mb:.0f} MB of memory"
    if move.target.exists():
        yield from _partial_files(ended, move)


def _partial_files(ended: Ended, move: Move) -> Iterator[str]:
    wanted, found = snapshot(move.source, nanoseconds=False), snapshot(move.target, nanoseconds=False)
    for path, fact in found.items():
        is_final = fact.kind == "file" and b".migrator-" not in path
        if is_final and (path not in wanted or fact.content != wanted[path].content):
            yield f"a partial file under a final name: {path!r}"
    if ended.code == 0 and found.keys() != wanted.keys():
        yield "exit 0, and something is missing"
