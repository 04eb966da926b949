"""Many small files over SSH: `migrator run --until seeded` beside rclone and rsync, by turns, in one run.

Start it from the top of the checkout: `.venv/bin/python -m bench.small_files`.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.sshd import HOST, Account, Setup, Sshd, make_key, running_sshd

FOLDERS = 200
SMALLEST_BYTES, LARGEST_BYTES = 500, 8_000
# The server allows one cipher, so that every program pays for the same one, and logs as a server at work would.
SERVER_LINES = ("Ciphers aes128-gcm@openssh.com", "LogLevel INFO")

Command = list[str]


@dataclass(frozen=True)
class Crossing:
    """One way from a source to a target: which side lies behind SSH, and the folders of this one turn."""

    remote: str  # "source" | "target"
    server: Sshd
    source: Path
    target: Path  # does not exist yet
    scratch: Path

    @property
    def known_hosts(self) -> Path:
        """A file that knows the server's key."""
        path = self.scratch / "known_hosts"
        path.write_text(f"[{HOST}]:{self.server.port} {self.server.host_key}\n")
        return path


@dataclass(frozen=True)
class Cost:
    """What one turn took; processor time and memory are those of the program's own side, the server's are not in."""

    wall_seconds: float
    processor_seconds: float
    peak_bytes: int  # of the largest single process


@dataclass(frozen=True)
class Contestant:
    """A program and how to call it."""

    name: str
    command: Callable[[Crossing], Command]


def migrator(crossing: Crossing) -> Command:
    """A whole seed as in real life: scan, SHA-256 of each file, journal, durable commits."""
    server = crossing.server
    ssh = {
        "host": HOST,
        "port": server.port,
        "user": server.setup.account.name,
        "identity_file": str(server.setup.client_key.private),
        "host_keys": [server.host_key],
    }
    far = {"ssh": ssh, "connector": "openssh", "lane": "sftp"}
    near = {"local": True}
    dataset = {"name": "files", "source": f"legacy:{crossing.source}", "target": f"new:{crossing.target}"}
    plan = {
        "migration": "bench",
        "endpoints": {
            "legacy": far if crossing.remote == "source" else near,
            "new": far if crossing.remote == "target" else near,
        },
        "waves": [{"name": "one", "applications": [{"name": "files", "datasets": [dataset]}]}],
    }
    path = crossing.scratch / "plan.yaml"
    path.write_text(json.dumps(plan))  # JSON is YAML
    state = str(crossing.scratch / "state")
    return [sys.executable, "-m", "migrator", "run", str(path), "--until", "seeded", "--state", state]


def rclone(crossing: Crossing) -> Command:
    """Its quickest settings that still keep modification times: eight at once, no hashing by a shell command."""
    key = crossing.server.setup.client_key.private
    options = [
        *("--config", "", "--transfers", "8", "--checkers", "8", "--ignore-checksum"),
        *("--sftp-host", HOST, "--sftp-port", str(crossing.server.port)),
        *("--sftp-user", crossing.server.setup.account.name, "--sftp-key-file", str(key)),
        *("--sftp-known-hosts-file", str(crossing.known_hosts), "--sftp-disable-hashcheck"),
    ]
    ends = {"source": str(crossing.source), "target": str(crossing.target)}
    ends[crossing.remote] = f":sftp:{ends[crossing.remote]}"
    return ["rclone", "copy", *options, ends["source"], ends["target"]]


def rsync(crossing: Crossing, *options: str) -> Command:
    """`rsync -a`, which speaks its own protocol and therefore needs a shell and rsync at the far side."""
    server = crossing.server
    ssh = f"ssh -F none -i {server.setup.client_key.private} -p {server.port} -o BatchMode=yes"
    ssh += f" -o UserKnownHostsFile={crossing.known_hosts} -o StrictHostKeyChecking=yes"
    ends = {"source": f"{crossing.source}/", "target": f"{crossing.target}/"}
    ends[crossing.remote] = f"{server.setup.account.name}@{HOST}:{ends[crossing.remote]}"
    return ["rsync", "-a", *options, "-e", ssh, ends["source"], ends["target"]]


def durable_rsync(crossing: Crossing) -> Command:
    """`rsync -a --fsync`: the nearest to our promise that what is recorded survives a power cut."""
    return rsync(crossing, "--fsync")


def contestants() -> list[Contestant]:
    """Those that this machine has; ours comes first."""
    found = [Contestant("migrator", migrator), Contestant("rclone copy", rclone), Contestant("rsync -a", rsync)]
    if "--fsync" in _answer("rsync", "--help"):
        found.append(Contestant("rsync -a --fsync", durable_rsync))
    return found


def make_tree(root: Path, size: int) -> int:
    """Write `size` files, always the same ones, and return their bytes."""
    chance = random.Random(2018)  # noqa: S311 - the same tree each time, and no secret
    total = 0
    for number in range(size):
        folder = root / f"folder-{number % FOLDERS:03}"
        folder.mkdir(parents=True, exist_ok=True)
        content = chance.randbytes(chance.randint(SMALLEST_BYTES, LARGEST_BYTES))
        (folder / f"file-{number:06}.dat").write_bytes(content)
        total += len(content)
    return total


def one_turn(contestant: Contestant, remote: str, server: Sshd, source: Path) -> Cost:
    """Copy `source` into a fresh folder and look whether all of it arrived; CalledProcessError if not."""
    with tempfile.TemporaryDirectory(prefix="migrator-bench-turn-") as folder:
        scratch = Path(folder)
        crossing = Crossing(remote, server, source, scratch / "target", scratch)
        command = contestant.command(crossing)
        os.sync()  # nobody pays for what the one before left to be written
        cost = _measured(command, scratch / "output")
        subprocess.run(["diff", "--recursive", "--brief", str(source), str(crossing.target)], check=True)
        return cost


def _measured(command: Command, output: Path) -> Cost:
    with output.open("wb") as sink:
        begun = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.stderr.write(output.read_text(errors="replace"))
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def table(title: str, costs: dict[str, list[Cost]]) -> Iterator[str]:
    """The lines of a Markdown table; a ratio above 1 says how many times as long as ours it took."""
    yield f"| {title} | median s | min s | max s | time / ours | CPU s | peak MB |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    ours = _median_wall(costs["migrator"])
    for name, turns in costs.items():
        walls = [turn.wall_seconds for turn in turns]
        processor = statistics.median(turn.processor_seconds for turn in turns)
        peak = max(turn.peak_bytes for turn in turns) / 1_000_000
        median = _median_wall(turns)
        yield (
            f"| {name} | {median:.2f} | {min(walls):.2f} | {max(walls):.2f} "
            f"| {median / ours:.2f} | {processor:.2f} | {peak:.0f} |"
        )


def _median_wall(turns: list[Cost]) -> float:
    return statistics.median(turn.wall_seconds for turn in turns)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number above 0")
    return int(text)


def _answer(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    return done.stdout


def _conditions(size: int, total_bytes: int, repeats: int) -> Iterator[str]:
    yield f"{size} files, {total_bytes / 1_000_000:.1f} MB, {repeats} turns each, by turns; {SERVER_LINES[0]}"
    yield f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the first turn"
    for command in (("ssh", "-V"), ("rclone", "version"), ("rsync", "--version")):
        yield _answer(*command).splitlines()[0]
    yield f"Python {sys.version.split()[0]}"


def compare(field: list[Contestant], remote: str, server: Sshd, source: Path, repeats: int) -> dict[str, list[Cost]]:
    """All contestants by turns, each time in another order, so that no one always follows the same other."""
    costs: dict[str, list[Cost]] = {contestant.name: [] for contestant in field}
    for repeat in range(repeats):
        first = repeat % len(field)
        for contestant in field[first:] + field[:first]:
            costs[contestant.name].append(one_turn(contestant, remote, server, source))
    return costs


def main() -> None:
    """Measure and print; fails if a program fails or leaves anything out."""
    if missing := [name for name in ("rclone", "rsync", "ssh", "diff") if shutil.which(name) is None]:
        sys.exit(f"error: not installed: {', '.join(missing)}\n\nhint: make system-packages")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--size", type=_positive, default=20_000, metavar="FILES", help="how many files (default: 20000)"
    )
    parser.add_argument("--repeats", type=_positive, default=5, metavar="N", help="turns for each program (default: 5)")
    peers = [contestant.name for contestant in contestants()[1:]]
    parser.add_argument("--without", action="append", default=[], choices=peers, help="leave this one out; repeatable")
    options = parser.parse_args()
    field = [contestant for contestant in contestants() if contestant.name not in options.without]
    with tempfile.TemporaryDirectory(prefix="migrator-bench-") as folder:
        source = Path(folder) / "source"
        source.mkdir()
        total_bytes = make_tree(source, options.size)
        for line in _conditions(options.size, total_bytes, options.repeats):
            print(line)
        account = Account(getpass.getuser(), source)
        with running_sshd(Setup(account, make_key(Path(folder) / "id"), lines=SERVER_LINES)) as server:
            for remote in ("source", "target"):
                costs = compare(field, remote, server, source, options.repeats)
                print("", *table(f"{remote} behind SSH", costs), sep="\n", flush=True)


if __name__ == "__main__":
    main()
