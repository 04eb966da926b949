"""A line that is long and of limited width: a TCP forwarder with a delay, a rate, and a limit of bytes in flight.

It runs as a process of its own (`python -m bench.delay_line PORT`), prints the port it listens on, and answers every
line on its standard input with the bytes that have crossed so far.
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
ONE_WAY_SECONDS = 0.010
RATE_BYTES = 125_000_000  # a second, both directions apart: 1 Gbit/s
IN_FLIGHT_BYTES = 4_000_000  # in one direction of one connection

_PIECE_BYTES = 64 * 1024


class Link:
    """One direction of the line, shared by all connections: bytes leave one after the other at its rate."""

    def __init__(self, rate_bytes: int = RATE_BYTES) -> None:
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


class Direction:
    """One direction of one connection: a thread takes in, another lets out when the time has come."""

    def __init__(self, link: Link, source: socket.socket, sink: socket.socket) -> None:
        self._link = link
        self._source = source
        self._sink = sink
        self._flying: deque[tuple[float, bytes]] = deque()
        self._flying_bytes = 0
        self._changed = threading.Condition()
        for act in (self._take_in, self._let_out):
            threading.Thread(target=act, daemon=True).start()

    def _take_in(self) -> None:
        data = b"-"
        while data:
            try:
                data = self._source.recv(_PIECE_BYTES)
            except OSError:
                data = b""
            arrives_at = self._link.carry(len(data)) + ONE_WAY_SECONDS
            with self._changed:
                self._changed.wait_for(lambda: self._flying_bytes < IN_FLIGHT_BYTES)
                self._flying.append((arrives_at, data))
                self._flying_bytes += len(data)
                self._changed.notify_all()

    def _let_out(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._flying)
                arrives_at, data = self._flying[0]
            left = arrives_at - time.monotonic()
            if left > 0:
                time.sleep(left)
            with contextlib.suppress(OSError):
                if data:
                    self._sink.sendall(data)
                else:
                    self._sink.shutdown(socket.SHUT_WR)
            with self._changed:
                self._flying.popleft()
                self._flying_bytes -= len(data)
                self._changed.notify_all()
            if not data:
                return


def serve(port: int) -> None:
    """Forward connections to `port` until standard input ends."""
    listener = socket.create_server((HOST, 0), backlog=64)
    links = Link(), Link()
    print(listener.getsockname()[1], flush=True)

    def accept() -> None:
        while True:
            client, _ = listener.accept()
            server = socket.create_connection((HOST, port))
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Direction(links[0], client, server)
            Direction(links[1], server, client)

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
def delay_line(port: int) -> Iterator[DelayLine]:
    """A line to `port` on the loopback; it ends with the block."""
    command = [sys.executable, "-m", "bench.delay_line", str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield DelayLine(int(process.stdout.readline()), process)
        finally:
            process.kill()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
