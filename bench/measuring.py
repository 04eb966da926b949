"""What one command cost: time on the clock, and what its processes and the server's used meanwhile."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.sshd import descendants

_LOOK_SECONDS = 0.05
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

# Whose processor time it is: the program's own side, its ssh clients, the server's sshd, and what sshd has started.
OURS, SSH, SSHD, FAR = "program", "ssh", "sshd", "far side"
WHOSE = (OURS, SSH, SSHD, FAR)


@dataclass(frozen=True)
class Cost:
    """One turn."""

    wall_seconds: float
    processor_seconds: dict[str, float]  # by WHOSE
    busiest: tuple[str, float]  # the single process that used most processor time: whose, seconds
    peak_bytes: int  # of memory, of the largest single process on the program's own side
    written_bytes: int  # to disks, by all of them
    line_bytes: int  # across the line, both directions


@dataclass
class _Seen:
    whose: str
    processor_seconds: float = 0.0
    peak_bytes: int = 0
    written_bytes: int = 0


@dataclass
class _Watch:
    """Looks at the processes of a command and of the server while it runs."""

    server: int
    command: int = 0
    seen: dict[int, _Seen] = field(default_factory=dict)
    is_over: threading.Event = field(default_factory=threading.Event)

    def look_until_over(self) -> None:
        while not self.is_over.wait(_LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        for pid in (self.command, *descendants(self.command)):
            self._note(pid, SSH if _name(pid) == "ssh" else OURS)
        for pid in descendants(self.server):
            self._note(pid, SSHD if _name(pid).startswith("sshd") else FAR)

    def _note(self, pid: int, whose: str) -> None:
        try:
            facts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            written = Path(f"/proc/{pid}/io").read_text().split("write_bytes: ")[1].split()[0]
        except (OSError, IndexError):  # gone since, or somebody else's
            return
        seen = self.seen.setdefault(pid, _Seen(whose))
        seen.whose = whose
        seen.processor_seconds = (int(facts[11]) + int(facts[12])) / _TICK
        seen.peak_bytes = max(seen.peak_bytes, int(facts[21]) * _PAGE)
        seen.written_bytes = int(written)


def measured(command: Sequence[str], server: int, carried: Callable[[], int], output: Path) -> Cost:
    """Run the command to its end; CalledProcessError, with its words on stderr, when it fails."""
    watch = _Watch(server)
    watch.command = os.getpid()
    before = carried()
    with output.open("wb") as sink:
        began = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT)
        watch.command = process.pid
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
    return _cost(watch, wall, usage.ru_utime + usage.ru_stime, carried() - before)


def _cost(watch: _Watch, wall: float, own_seconds: float, line_bytes: int) -> Cost:
    by_whom = dict.fromkeys(WHOSE, 0.0)
    for seen in watch.seen.values():
        by_whom[seen.whose] += seen.processor_seconds
    # The kernel's own sum misses nothing of the program's side, its ssh clients included.
    by_whom[OURS] = max(by_whom[OURS], own_seconds - by_whom[SSH])
    busiest = max(watch.seen.values(), key=lambda seen: seen.processor_seconds, default=_Seen(OURS))
    return Cost(
        wall_seconds=wall,
        processor_seconds=by_whom,
        busiest=(busiest.whose, busiest.processor_seconds),
        peak_bytes=max((seen.peak_bytes for seen in watch.seen.values() if seen.whose == OURS), default=0),
        written_bytes=sum(seen.written_bytes for seen in watch.seen.values()),
        line_bytes=line_bytes,
    )


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
