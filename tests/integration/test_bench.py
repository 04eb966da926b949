"""The benchmark measures what it says, and its delay line is as long and as wide as it says."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.delay_line import ONE_WAY_SECONDS, RATE_BYTES, DelayLine, delay_line
from bench.measuring import FAR, OURS, SSH, SSHD, Cost
from bench.report import limit_of

TOP = Path(__file__).parents[2]
MB = 1_000_000


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


@pytest.fixture
def line(echo: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[DelayLine]:
    monkeypatch.chdir(TOP)
    with delay_line(echo) as line:
        yield line


def test_a_round_trip_takes_twice_the_delay(line: DelayLine) -> None:
    with socket.create_connection(("127.0.0.1", line.port)) as end:
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        trips = []
        for _ in range(20):
            began = time.monotonic()
            end.sendall(b"x")
            assert end.recv(1) == b"x"
            trips.append(time.monotonic() - began)
    assert min(trips) >= 2 * ONE_WAY_SECONDS
    assert line.carried_bytes() == 40


def test_no_more_crosses_than_the_rate_allows(line: DelayLine) -> None:
    size = 25 * MB
    with socket.create_connection(("127.0.0.1", line.port)) as end:
        threading.Thread(target=end.sendall, args=(bytes(size),), daemon=True).start()
        began, got = time.monotonic(), 0
        while got < size:
            got += len(end.recv(1 << 18))
        seconds = time.monotonic() - began
    assert seconds >= size / RATE_BYTES
    assert line.carried_bytes() == 2 * size


def a_cost(wall: float, busiest: float, line_bytes: int = 0, **processor: float) -> Cost:
    seconds = {OURS: 0.0, SSH: 0.0, SSHD: 0.0, FAR: 0.0} | processor
    return Cost(wall, seconds, (OURS, busiest), 0, 0, line_bytes)


@pytest.mark.parametrize(
    ("cost", "has_delay", "words"),
    [
        (a_cost(1, 0.1, RATE_BYTES), True, "the line, 100 %"),
        (a_cost(1, 0.1, RATE_BYTES), False, "waiting"),
        (a_cost(1, 0.95, program=0.95), False, "one process of program"),
        (a_cost(1, 0.95, program=1000.0), False, "the processor"),
        (a_cost(1, 0.2, program=0.2), False, "waiting"),
    ],
)
def test_what_limits_a_turn_is_told_by_rule(cost: Cost, has_delay: bool, words: str) -> None:
    assert limit_of([cost], has_delay=has_delay).replace("%", " %").startswith(words)


def test_a_small_comparison_runs_to_its_end() -> None:
    command = [sys.executable, "-m", "bench", "--quick", "--repeats", "1", "--files", "20", "--large-mib", "9"]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("| migrator |") == 2
    assert done.stdout.count("| rsync -a |") == 2
