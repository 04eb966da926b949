"""The benchmark measures what it says, and its delay line is as long and as wide as it says."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.data import allocated_bytes, change_blocks, one_file, sparse_file
from bench.delay_line import WAN, DelayLine, Shape, delay_line
from bench.growth import Growth, growth_table
from bench.measuring import FAR, OURS, SSH, SSHD, Cost, measured
from bench.peers import Crossing
from bench.report import limit_of, tables
from bench.rows import Row
from bench.turns import Results, server_for
from tests.support.sshd import HOST, dead_port

TOP = Path(__file__).parents[2]
MB, MIB = 1_000_000, 1 << 20
CORES = os.cpu_count() or 1


@pytest.fixture
def echo() -> Iterator[int]:
    """A port that gives everything back."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=give_back, args=(client,), daemon=True).start()

    def give_back(client: socket.socket) -> None:
        with client:
            while data := client.recv(1 << 18):
                client.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@contextmanager
def connected(echo: int, shape: Shape = WAN) -> Iterator[tuple[DelayLine, socket.socket]]:
    """A line to the echo, and a connection through it."""
    with delay_line(echo, shape) as line, socket.create_connection(("127.0.0.1", line.port)) as end:
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield line, end


def seconds_for(end: socket.socket, size_bytes: int) -> float:
    """How long it takes until so many bytes have gone there and come back."""
    sending = threading.Thread(target=end.sendall, args=(bytes(size_bytes),))
    began, got = time.monotonic(), 0
    sending.start()
    while got < size_bytes:
        got += len(end.recv(1 << 18))
    sending.join()
    return time.monotonic() - began


@pytest.fixture(autouse=True)
def at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(TOP)


def test_a_round_trip_takes_twice_the_delay_to_the_millisecond(echo: int) -> None:
    with connected(echo) as (line, end):
        trips = [seconds_for(end, 1) for _ in range(40)]
        assert line.carried_bytes() == 80
    # The shortest, since a busy machine lengthens single trips; it shortens none.
    assert 2 * WAN.one_way_seconds <= min(trips) < 2 * WAN.one_way_seconds + 0.003


def test_no_more_crosses_than_the_rate_allows(echo: int) -> None:
    size = 25 * MB
    with connected(echo) as (line, end):
        assert seconds_for(end, size) >= size / WAN.rate_bytes
        assert line.carried_bytes() == 2 * size


def test_connections_share_the_rate(echo: int) -> None:
    size, slow = 2 * MB, Shape(one_way_seconds=0, rate_bytes=20 * MB)
    with connected(echo, slow) as (line, one), socket.create_connection(("127.0.0.1", line.port)) as other:
        beside = threading.Thread(target=seconds_for, args=(other, size))
        began = time.monotonic()
        beside.start()
        seconds_for(one, size)
        beside.join()
        assert time.monotonic() - began >= 2 * size / slow.rate_bytes


def test_a_window_that_is_full_waits_for_its_receipts(echo: int) -> None:
    size, narrow = 5 * MB, Shape(one_way_seconds=0.01, rate_bytes=10**12, in_flight_bytes=MB)
    with connected(echo, narrow) as (_, end):
        assert seconds_for(end, size) >= (size / MB - 1) * 2 * narrow.one_way_seconds


def test_a_line_to_nowhere_closes_what_it_cannot_connect(echo: int) -> None:
    with delay_line(dead_port()) as line:
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", line.port), timeout=10) as end:
                assert end.recv(1) == b""


def spinning(seconds: float) -> str:
    """A program that uses so much processor time, and 64 MiB."""
    return f"import time; held = bytearray(64 << 20)\nwhile time.process_time() < {seconds}: pass"


def test_what_a_command_costs_is_told_by_who_used_it(tmp_path: Path) -> None:
    with server_for(tmp_path, tmp_path) as server:
        crossing = Crossing("source", server, server.port, tmp_path, tmp_path, tmp_path)
        far = [*crossing.ssh(), f"{crossing.user}@{HOST}", shlex.join([sys.executable, "-c", spinning(0.5)])]
        watched = server.process.pid, (lambda: 0), tmp_path / "output"
        # In this order: what the server's child used may be added to the server's a moment after the command has ended.
        here, there = measured([sys.executable, "-c", spinning(0.5)], *watched), measured(far, *watched)
    assert there.busiest[0] == FAR
    assert there.processor_seconds[FAR] + there.processor_seconds[SSHD] >= 0.5
    assert there.processor_seconds[OURS] < there.processor_seconds[FAR]
    assert here.busiest[0] == OURS
    assert here.processor_seconds[OURS] >= 0.5
    assert here.processor_seconds[FAR] + here.processor_seconds[SSHD] < here.processor_seconds[OURS]
    assert min(there.peak_bytes, here.peak_bytes) >= 64 * MIB
    assert min(there.wall_seconds, here.wall_seconds) >= 0.5


@pytest.fixture
def idle_server() -> Iterator[int]:
    """The pid of a process that serves nobody."""
    with subprocess.Popen(["sleep", "300"]) as process:
        yield process.pid
        process.kill()


def test_what_a_child_writes_is_counted_once(idle_server: int, tmp_path: Path) -> None:
    write = f"import os; f = open({str(tmp_path / 'file')!r}, 'wb'); f.write(bytes(32 << 20)); f.flush(); os.fsync(f)"
    parent = f"import subprocess, time; subprocess.run([{sys.executable!r}, '-c', {write!r}]); time.sleep(0.5)"
    cost = measured([sys.executable, "-c", parent], idle_server, lambda: 0, tmp_path / "output")
    assert 32 * MIB <= cost.written_bytes < 40 * MIB


def test_a_command_that_fails_fails_the_comparison(idle_server: int, tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        measured([sys.executable, "-c", "raise SystemExit(3)"], idle_server, lambda: 0, tmp_path / "output")


def a_cost(wall: float, busiest: float = 0.0, **more: float) -> Cost:
    """A turn in which the program used all processor time there was."""
    seconds = {OURS: more.get("used", busiest), SSH: 0.0, SSHD: 0.0, FAR: 0.0}
    return Cost(
        wall, seconds, (OURS, busiest), 0, 0, int(more.get("line", 0)), more.get("disk", 0), more.get("other", 0)
    )


@pytest.mark.parametrize(
    ("cost", "has_delay", "words"),
    [
        (a_cost(2, 0.1, line=2 * WAN.rate_bytes), True, "the line: 100% of it"),
        (a_cost(2, 0.1, line=2 * WAN.rate_bytes), False, "waiting; "),
        (a_cost(2, 1.9), False, "the program's CPU: 0.95 of one core"),
        (a_cost(2, 1.9, used=4 * CORES), False, f"the processor: {2 * CORES:.2f} of {CORES} cores"),
        (a_cost(2, 0.1, disk=1.8), False, "the disk: busy 90% of the time"),
        (a_cost(2, 0.1, other=2 * CORES), False, f"the processor, of whose {CORES} cores others used {CORES:.2f}"),
        (a_cost(2, 0.4, disk=1.0), False, "waiting; nearest is the disk: busy 50% of the time"),
    ],
)
def test_what_limits_a_turn_is_told_by_rule(cost: Cost, has_delay: bool, words: str) -> None:
    assert limit_of([cost], has_delay=has_delay).startswith(words)


def test_the_middle_turn_says_what_limits() -> None:
    turns = [a_cost(9, disk=9), a_cost(2, 1.9), a_cost(1, disk=1)]
    assert limit_of(turns, has_delay=False).startswith("the program's CPU")


def test_ratios_are_those_of_medians_and_goals_say_by_how_much_they_are_missed() -> None:
    costs = {"migrator": [a_cost(wall) for wall in (1, 2, 9)], "rsync -a": [a_cost(wall) for wall in (3, 2.2, 30)]}
    row = Row("any", "any work", (), lambda _root, _sizes: 0, {"rsync -a": 2.0, "scp -rp": 3.0})
    lines = list(tables(Results(row, 0, costs, 0.0, ("scp -rp",))))
    assert "| rsync -a | 3.00 | 2.20 | 30.00 | 1.50 | 0.00 | 0 |" in lines
    assert "- Goal: 2 x as fast as `rsync -a`; measured 1.50 x: short of it by 25%." in lines
    assert "Not on this machine, so left out: scp -rp." in lines
    assert not any("3 x as fast" in line for line in lines)


def test_growth_is_told_without_the_start_up() -> None:
    def of(files: int, wall: float) -> Growth:
        return Growth(files, dict.fromkeys(("seed", "pass without changes", "verify"), a_cost(wall)))

    lines = list(growth_table([of(0, 1), of(1000, 2), of(10_000, 13)]))
    assert any(line.startswith("| seed | 10000 | 13.0 | 1200 | 1.20 | 0 |") for line in lines)
    assert "- Goal: seed, time a file at 10000 at most 1.15 x that at 1000; measured 1.20 x: over it by 4%." in lines


def test_a_hundredth_of_the_blocks_changes_in_place(tmp_path: Path) -> None:
    one_file(tmp_path, 200 * MIB)
    before = (tmp_path / "image").read_bytes()
    assert change_blocks(tmp_path, 1) == 2 * MIB
    was, now = memoryview(before), memoryview((tmp_path / "image").read_bytes())
    assert len(now) == len(was)
    changed = [at for at in range(0, len(was), MIB) if was[at : at + MIB] != now[at : at + MIB]]
    assert len(changed) == 2


def test_a_sparse_file_takes_what_its_data_takes(tmp_path: Path) -> None:
    size = sparse_file(tmp_path, 1 << 30)
    assert size == 64 * MIB
    assert (tmp_path / "image").stat().st_size == 1 << 30
    assert size <= allocated_bytes(tmp_path) < 2 * size


def test_a_page_without_marks_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# Ours\n")
    command = [sys.executable, "-m", "bench", "--out", str(tmp_path / "page.md")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "is not a page that holds" in done.stderr


def test_a_small_comparison_is_written_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- measured: begin -->\nan earlier figure\n<!-- measured: end -->\nafter\n")
    sizes = ["--repeats", "1", "--files", "20", "--large-mib", "9"]
    command = [sys.executable, "-m", "bench", "--rows", "own-cost,large-file-delay", *sizes, "--out", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert text.startswith("before\n<!-- measured: begin -->\n\nMeasured on ")
    assert text.endswith("\n<!-- measured: end -->\nafter\n")
    assert "an earlier figure" not in text
    for heading in ("what migrator costs by itself", "one large file over the delay line"):
        assert f"### {heading}\n" in text
    assert re.search(r"share of that run inside SQLite, synced commits included \| \d+\.\d% ", text)


def test_the_quick_form_compares_with_rsync_alone() -> None:
    command = [sys.executable, "-m", "bench", "--quick", "--repeats", "1", "--files", "20", "--large-mib", "9"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^\| ([a-z -]+) \| \d+\.\d\d \|", done.stdout, re.MULTILINE) == ["migrator", "rsync -a"] * 2


def test_growth_runs_from_the_seed_to_the_verification() -> None:
    command = [sys.executable, "-m", "bench", "--rows", "growth", "--size", "20"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^\| ([a-z ]+) \| (\d+) \|", done.stdout, re.MULTILINE) == [
        (work, files) for work in ("seed", "pass without changes", "verify") for files in ("0", "20")
    ]
