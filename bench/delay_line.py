"""A line that is long and of limited width: a TCP forwarder with a delay, a rate, and a limit of bytes in flight.

It runs as a process of its own (`python -m bench.delay_line PORT DELAY RATE IN_FLIGHT`), prints the port it listens
on, and answers every line on its standard input with the bytes that have crossed so far.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

HOST = "127.0.0.1"

_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Shape:
    """What the line is like."""

    one_way_seconds: float = 0.010
    rate_bytes: int = 125_000_000  # a second, both directions apart: 1 Gbit/s
    in_flight_bytes: int = 4_000_000  # sent and not yet acknowledged, in one direction of one connection


WAN = Shape()


class Link:
    """One direction of the line, shared by all connections: bytes leave one after the other at its rate."""

    def __init__(self, rate_bytes: int) -> None:
        self._rate_bytes = rate_bytes
        self._free_at = 0.0
        self._lock = threading.Lock()
        self.carried_bytes = 0

    def carry(self, size_bytes: int) -> float:
        """When the last of so many bytes, handed over now, has left (on the monotonic clock)."""
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + size_bytes / self._rate_bytes
            self.carried_bytes += size_bytes
            return self._free_at


class Window:
    """How much one direction of a connection has under way: what was let out counts until its receipt is back."""

    def __init__(self, shape: Shape, changed: threading.Condition) -> None:
        self._shape = shape
        self._changed = changed
        self._open_bytes = 0
        self._receipts: deque[tuple[float, int]] = deque()

    def take(self, size_bytes: int) -> None:
        """Return when there is room, with the condition held; the bytes count from here on."""
        while self._open_bytes >= self._shape.in_flight_bytes:
            now = time.monotonic()
            while self._receipts and self._receipts[0][0] <= now:
                self._open_bytes -= self._receipts.popleft()[1]
            if self._open_bytes >= self._shape.in_flight_bytes:
                self._changed.wait(self._receipts[0][0] - now if self._receipts else None)
        self._open_bytes += size_bytes

    def let_out(self, size_bytes: int) -> None:
        """The other end has the bytes; the receipt takes as long as they did."""
        self._receipts.append((time.monotonic() + self._shape.one_way_seconds, size_bytes))


class Direction:
    """One direction of one connection: a thread takes in, another lets out when the time has come."""

    def __init__(self, shape: Shape, link: Link, source: socket.socket, sink: socket.socket) -> None:
        self._shape = shape
        self._link = link
        self._source = source
        self._sink = sink
        self._flying: deque[tuple[float, bytes]] = deque()
        self._changed = threading.Condition()
        self._window = Window(shape, self._changed)
        for act in (self._take_in, self._let_out):
            threading.Thread(target=act, daemon=True).start()

    def _take_in(self) -> None:
        data = b"-"
        while data:
            try:
                data = self._source.recv(_PIECE_BYTES)
            except OSError:
                data = b""
            with self._changed:
                self._window.take(len(data))
                self._flying.append((self._link.carry(len(data)) + self._shape.one_way_seconds, data))
                self._changed.notify_all()

    def _let_out(self) -> None:
        data = b"-"
        while data:
            with self._changed:
                self._changed.wait_for(lambda: self._flying)
                arrives_at, data = self._flying[0]
            left = arrives_at - time.monotonic()
            if left > 0:
                time.sleep(left)
            with contextlib.suppress(OSError):  # an end that has gone takes nothing; the other direction tells its peer
                if data:
                    self._sink.sendall(data)
                else:
                    self._sink.shutdown(socket.SHUT_WR)
            with self._changed:
                self._flying.popleft()
                self._window.let_out(len(data))
                self._changed.notify_all()


def serve(port: int, shape: Shape) -> None:
    """Forward connections to `port` until standard input ends."""
    listener = socket.create_server((HOST, 0), backlog=64)
    links = Link(shape.rate_bytes), Link(shape.rate_bytes)
    print(listener.getsockname()[1], flush=True)

    def accept() -> None:
        while True:
            client, _ = listener.accept()
            try:
                server = socket.create_connection((HOST, port))
            except OSError:
                client.close()  # as refused as it would be without us
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Direction(shape, links[0], client, server)
            Direction(shape, links[1], server, client)

    threading.Thread(target=accept, daemon=True).start()
    for _ in sys.stdin:
        print(sum(link.carried_bytes for link in links), flush=True)


@dataclass
class DelayLine:
    """A running line, and where it begins."""

    port: int
    process: subprocess.Popen[str]

    def carried_bytes(self) -> int:
        """What has crossed in both directions."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@contextlib.contextmanager
def delay_line(port: int, shape: Shape = WAN) -> Iterator[DelayLine]:
    """A line to `port` on the loopback; it ends with the block."""
    figures = [str(each) for each in (port, shape.one_way_seconds, shape.rate_bytes, shape.in_flight_bytes)]
    command = [sys.executable, "-m", "bench.delay_line", *figures]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield DelayLine(int(process.stdout.readline()), process)
        finally:
            process.kill()


if __name__ == "__main__":
    serve(int(sys.argv[1]), Shape(float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
