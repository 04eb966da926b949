"""Turns: every contestant of a row does the work again and again, each time in another order, and is checked."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.data import allocated_bytes
from bench.delay_line import delay_line
from bench.measuring import Cost, measured
from bench.peers import CIPHER, Crossing, Peer, is_available
from bench.rows import Row, Sizes
from tests.support.sshd import Account, Setup, Sshd, make_key, running_sshd

# The server logs as one at work would, and allows one cipher, so that every program pays for the same one.
_LOGS = "LogLevel INFO"


@dataclass(frozen=True)
class Line:
    """How the server is reached, and how what crosses is counted."""

    port: int
    carried: Callable[[], int]


@dataclass(frozen=True)
class Results:
    """What the turns of a row cost, by contestant, and how much was moved."""

    row: Row
    size_bytes: int
    costs: dict[str, list[Cost]]
    load_before: float
    missing: tuple[str, ...] = ()  # contestants that this machine does not have


def run_row(row: Row, sizes: Sizes, repeats: int, only: frozenset[str]) -> Results:
    """Build the data, then have all take turns; CalledProcessError when one fails or leaves anything out."""
    wanted = [peer for peer in row.contestants if not only or peer.name in only]
    field = [peer for peer in wanted if is_available(peer)]
    missing = tuple(peer.name for peer in wanted if peer not in field)
    if missing:
        say(f"{row.name}: not on this machine, so left out: {', '.join(missing)}")
    before = dict(zip((peer.name for peer in row.contestants), row.prepare, strict=False))
    with tempfile.TemporaryDirectory(prefix="migrator-bench-") as folder:
        base = Path(folder)
        source = base / "source"
        source.mkdir()
        say(f"{row.name}: building the data")
        size_bytes = row.build(source, sizes)
        load = os.getloadavg()[0]
        costs: dict[str, list[Cost]] = {peer.name: [] for peer in field}
        with server_for(base, source, is_plain=row.is_plain) as server, _line(server, has_delay=row.has_delay) as line:
            contests = [_Contest(row, peer, before.get(peer.name), server, line, base) for peer in field]
            for repeat in range(repeats):
                if row.change is not None:
                    for contest in contests:
                        contest.get_ready()
                    size_bytes = row.change(source, repeat)
                first = repeat % len(contests)
                for contest in contests[first:] + contests[:first]:
                    cost = contest.take_turn()
                    costs[contest.peer.name].append(cost)
                    say(f"{row.name}: {contest.peer.name}: {cost.wall_seconds:.2f} s")
        return Results(row, size_bytes, costs, load, missing)


class _Contest:
    """One contestant of one row."""

    def __init__(self, row: Row, peer: Peer, first: Peer | None, server: Sshd, line: Line, base: Path) -> None:
        self.peer = peer
        self._row = row
        self._first = first
        self._line = line
        self._server = server
        self._scratch = base / "".join(letter if letter.isalnum() else "-" for letter in peer.name)
        cipher = None if row.is_plain else CIPHER
        source, target = base / "source", self._scratch / "target"
        self._crossing = Crossing(row.remote, server, line.port, source, target, self._scratch, cipher)
        self._is_ready = False

    def get_ready(self) -> None:
        """A fresh place, with whatever must have happened before the turn."""
        if self._is_ready:
            return
        self._scratch.mkdir()
        self._is_ready = True
        if self._first is not None:
            self._measured(self._first)

    def take_turn(self) -> Cost:
        """One turn, checked."""
        self.get_ready()
        os.sync()  # nobody pays for what the one before left to be written
        cost = self._measured(self.peer)
        compare(self._crossing.source, self._crossing.target)
        if self._row.has_holes and allocated_bytes(self._crossing.target) > 2 * allocated_bytes(self._crossing.source):
            raise SystemExit(f"error: {self.peer.name} filled the holes of {self._crossing.source}")
        if not (self._row.changes_nothing or self._row.change is not None):
            shutil.rmtree(self._scratch)
            self._is_ready = False
        return cost

    def _measured(self, peer: Peer) -> Cost:
        command = peer.command(self._crossing)
        return measured(command, self._server.process.pid, self._line.carried, self._scratch / "output")


@contextlib.contextmanager
def server_for(base: Path, source: Path, *, is_plain: bool = False) -> Iterator[Sshd]:
    """A real sshd with one cipher, or with OpenSSH's own choice; it ends with the block."""
    lines = (_LOGS,) if is_plain else (_LOGS, f"Ciphers {CIPHER}")
    account = Account(getpass.getuser(), source)
    with running_sshd(Setup(account, make_key(base / "id"), lines=lines)) as server:
        yield server


@contextlib.contextmanager
def _line(server: Sshd, *, has_delay: bool) -> Iterator[Line]:
    if not has_delay:
        yield Line(server.port, _loopback_bytes)
        return
    with delay_line(server.port) as line:
        yield Line(line.port, line.carried_bytes)


def _loopback_bytes() -> int:
    """What the loopback has carried; all of this machine's, which has little else to say there."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        if line.strip().startswith("lo:"):
            return int(line.split()[1])
    return 0


def compare(source: Path, target: Path) -> None:
    """CalledProcessError, with the names on standard output, unless both hold the same files and bytes."""
    subprocess.run(["diff", "-rq", "--no-dereference", str(source), str(target)], check=True)


def say(words: str) -> None:
    """Progress, on standard error."""
    print(words, file=sys.stderr, flush=True)
