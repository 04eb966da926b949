"""What one command cost: time on the clock, and what its processes and the server's used meanwhile.

The figures come from /proc (proc(5)), looked at again and again, and from the kernel's own sums where a process ended
between two looks.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_LOOK_SECONDS = 0.05
_TICK = os.sysconf("SC_CLK_TCK")
_REAPED_SECONDS = 5.0  # how long a server may take to end its sessions before its sum is taken without them

# Whose processor time it is: the program's own side, its ssh clients, the server's sshd, and what sshd has started.
OURS, SSH, SSHD, FAR = "program", "ssh", "sshd", "far side"
WHOSE = (OURS, SSH, SSHD, FAR)


@dataclass(frozen=True)
class Cost:
    """One turn."""

    wall_seconds: float
    processor_seconds: dict[str, float]  # by WHOSE
    busiest: tuple[str, float]  # the single process that used most processor time: whose, seconds
    peak_bytes: int  # of memory, of the largest single process at either end, sshd and ssh included
    written_bytes: int  # to disks, by all of them
    line_bytes: int  # across the line, both directions
    disk_seconds: float = 0.0  # during which the disk that holds the data had something to do
    other_seconds: float = 0.0  # processor time that this machine spent on anything else, the measuring included


@dataclass
class _Seen:
    whose: str
    processor_seconds: float = 0.0
    peak_bytes: int = 0


@dataclass
class _Watch:
    """Looks at the processes of a command and of the server while it runs."""

    server: int
    command: int
    seen: dict[int, _Seen] = field(default_factory=dict)
    written_bytes: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)

    def look_until_over(self) -> None:
        while not self.is_over.wait(_LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        born = _children()
        near, far = (self.command, *_offspring(self.command, born)), _offspring(self.server, born)
        for pid in near:
            self._note(pid, SSH if _name(pid) == "ssh" else OURS)
        for pid in far:
            self._note(pid, SSHD if _name(pid).startswith("sshd") else FAR)
        # The sum of one look, not of each process's last: a parent's figure takes over that of a child which has ended.
        written = sum(_written_bytes(pid) for pid in (*near, *far, self.server))
        self.written_bytes = max(self.written_bytes, written)

    def _note(self, pid: int, whose: str) -> None:
        try:
            facts = _stat(pid)
            peak = _number(f"/proc/{pid}/status", "VmHWM:") * 1024
        except (OSError, LookupError):  # gone since
            return
        seen = self.seen.setdefault(pid, _Seen(whose))
        seen.whose = whose
        seen.processor_seconds = (int(facts[11]) + int(facts[12])) / _TICK
        seen.peak_bytes = max(seen.peak_bytes, peak)

    def seconds_of(self, whose: str) -> float:
        return sum(seen.processor_seconds for seen in self.seen.values() if seen.whose == whose)


@dataclass(frozen=True)
class _Meters:
    """Sums that only ever grow, read before and after."""

    carried: int
    served: float  # processor seconds of the server and of all sessions that it has seen the end of
    written: int  # by the server and these sessions, to disks
    disk: float
    machine: float

    @classmethod
    def read(cls, server: int, carried: Callable[[], int], folder: Path) -> _Meters:
        return cls(
            carried(), _served_seconds(server), _written_bytes(server), _disk_seconds(folder), _machine_seconds()
        )


def measured(command: Sequence[str], server: int, carried: Callable[[], int], output: Path) -> Cost:
    """Run the command to its end; CalledProcessError, with its words on stderr, when it fails.

    `output` takes what the command says; the disk that is watched is the one below it.
    """
    before = _Meters.read(server, carried, output.parent)
    with output.open("wb") as sink:
        began = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT)
        watch = _Watch(server, process.pid)
        looking = threading.Thread(target=watch.look_until_over)
        looking.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
    watch.is_over.set()
    looking.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.stderr.write(output.read_text(errors="replace")[-4000:])
        raise subprocess.CalledProcessError(process.returncode, list(command))
    _await_reaped(server)
    after = _Meters.read(server, carried, output.parent)
    return _cost(watch, wall, usage.ru_utime + usage.ru_stime, (before, after))


def _cost(watch: _Watch, wall: float, own_seconds: float, meters: tuple[_Meters, _Meters]) -> Cost:
    before, after = meters
    by_whom = {whose: watch.seconds_of(whose) for whose in WHOSE}
    # The kernel's own sums miss nothing that ended between two looks; they do not tell ours from ssh, or sshd from
    # what it started, and those that live long are seen anyway.
    by_whom[OURS] = max(by_whom[OURS], own_seconds - by_whom[SSH])
    by_whom[SSHD] = max(by_whom[SSHD], after.served - before.served - by_whom[FAR])
    busiest = max(watch.seen.values(), key=lambda seen: seen.processor_seconds, default=_Seen(OURS))
    return Cost(
        wall_seconds=wall,
        processor_seconds=by_whom,
        busiest=(busiest.whose, busiest.processor_seconds),
        peak_bytes=max((seen.peak_bytes for seen in watch.seen.values()), default=0),
        written_bytes=max(0, watch.written_bytes - before.written),
        line_bytes=after.carried - before.carried,
        disk_seconds=after.disk - before.disk,
        other_seconds=max(0.0, after.machine - before.machine - sum(by_whom.values())),
    )


def _children() -> dict[int, list[int]]:
    """The living children of every process, from one look at /proc."""
    born: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                state, parent = _stat(int(name))[:2]
            except OSError:  # gone since
                continue
            if state != "Z":
                born.setdefault(int(parent), []).append(int(name))
    return born


def _offspring(pid: int, born: Mapping[int, list[int]]) -> list[int]:
    """The living children of a process, and theirs."""
    found = list(born.get(pid, ()))
    for child in found:  # which grows meanwhile
        found += born.get(child, ())
    return found


def _await_reaped(server: int) -> None:
    deadline = time.monotonic() + _REAPED_SECONDS
    while _offspring(server, _children()) and time.monotonic() < deadline:
        time.sleep(0.01)


def _served_seconds(server: int) -> float:
    return sum(int(each) for each in _stat(server)[11:15]) / _TICK


def _machine_seconds() -> float:
    """What all cores have spent on anything but idling and waiting for disks."""
    times = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(times) - times[3] - times[4]) / _TICK


def _written_bytes(pid: int) -> int:
    """What a process, and those children of it that have ended, gave to disks; 0 when it is gone itself."""
    try:
        return _number(f"/proc/{pid}/io", "\nwrite_bytes:")
    except (OSError, LookupError):
        return 0


def _disk_seconds(folder: Path) -> float:
    """How long the disk below the folder has been busy; 0 where that is no disk."""
    device = os.stat(folder).st_dev
    numbers = [str(os.major(device)), str(os.minor(device))]
    for line in Path("/proc/diskstats").read_text().splitlines():
        if (facts := line.split())[:2] == numbers:
            return int(facts[12]) / 1000
    return 0.0


def _number(path: str, key: str) -> int:
    """The figure behind the key; LookupError when it is not there, as with a process that has just ended."""
    return int(Path(path).read_text().split(key)[1].split()[0])


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third, the state, on."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].decode().split()


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
