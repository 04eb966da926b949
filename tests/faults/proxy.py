"""A line with faults: listens on the loopback, passes bytes on to a server there, and fails as it is told to."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["none", "cut", "stall", "half-open", "slow", "flip", "refuse", "no banner", "noise"]

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: whoever is on the line gets a reset when it is closed
_SLOW_BYTES_A_SECOND = 20_000


@dataclass(frozen=True)
class Fault:
    """What befalls one connection, once so many bytes have come from the server.

    cut: both ends get a reset. stall: nothing passes any more. half-open: the server's end is closed as well, and the
    client is not told. slow: 20 kB a second from then on. flip: one bit of what follows is
    turned. refuse: a reset before the first byte. no banner: the line stands, and nobody speaks. noise: 10 MB of text
    without a line end where the banner should be.
    """

    kind: Kind = "none"
    after_bytes: int = 0


class Proxy:
    """`fault` is asked for each connection by its number, from 0 on."""

    def __init__(self, server_port: int, fault: Callable[[int], Fault]) -> None:
        self.fault = fault
        self.connections = 0
        self.carried_bytes = 0  # from the server, on all connections
        self.has_faulted = False
        self.silences: list[float] = []  # seconds that clients held out on a line on which nothing came any more
        self._server_port = server_port
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._main = threading.Thread(target=self._serve, daemon=True)
        self._main.start()

    def close(self) -> None:
        """End it, with all connections."""
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._main, *self._threads):
            thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            fault = self.fault(self.connections)
            self.connections += 1
            thread = threading.Thread(target=self._connection, args=(client, fault), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _connection(self, client: socket.socket, fault: Fault) -> None:
        with contextlib.suppress(OSError), client:  # one of the two ends is gone
            if fault.kind == "refuse":
                self._reset(client)
            elif fault.kind == "no banner":
                self._swallow(client)
            elif fault.kind == "noise":
                self.has_faulted = True
                client.sendall(b"Welcome to the machine. " * 400_000)
                self._swallow(client)
            else:
                with socket.create_connection(("127.0.0.1", self._server_port)) as server:
                    _Carrying(self, client, server, fault).carry()

    def _reset(self, *ends: socket.socket) -> None:
        self.has_faulted = True
        for end in ends:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            end.close()

    def _swallow(self, client: socket.socket) -> None:
        """Take what the client says until it leaves or all is over."""
        self.has_faulted = True
        begun = time.monotonic()
        client.settimeout(0.1)
        try:
            while not self._over.is_set():
                with contextlib.suppress(TimeoutError):
                    if not client.recv(1 << 16):
                        return
        finally:
            self.silences.append(time.monotonic() - begun)


class _Carrying:
    """One connection that is passed on."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket, fault: Fault) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._fault = fault
        self._came = 0  # bytes from the server

    def carry(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._client, selectors.EVENT_READ)
            selector.register(self._server, selectors.EVENT_READ)
            while not self._proxy._over.is_set():
                for key, _ in selector.select(0.1):
                    from_server = key.fileobj is self._server
                    data = (self._server if from_server else self._client).recv(1 << 16)
                    if not data:
                        return
                    if not from_server:
                        self._server.sendall(data)
                    elif not self._pass_on(data):
                        return

    def _pass_on(self, data: bytes) -> bool:
        """Give the client what the server said, as far as the fault lets it; whether the line goes on."""
        fault = self._fault
        left = max(0, fault.after_bytes - self._came)
        self._came += len(data)
        self._proxy.carried_bytes += len(data)
        if fault.kind == "none" or left >= len(data):
            self._client.sendall(data)
            return True
        self._client.sendall(data[:left])
        return self._fail(data[left:])

    def _fail(self, rest: bytes) -> bool:
        proxy = self._proxy
        if self._fault.kind == "cut":
            proxy._reset(self._client, self._server)
        elif self._fault.kind == "half-open":
            self._server.close()
            proxy._swallow(self._client)
        elif self._fault.kind == "stall":
            proxy._swallow(self._client)
        elif self._fault.kind == "slow":
            for start in range(0, len(rest), _SLOW_BYTES_A_SECOND // 10):
                self._client.sendall(rest[start : start + _SLOW_BYTES_A_SECOND // 10])
                time.sleep(0.1)  # this is the speed of the line, nothing that is waited for
            return True
        else:
            proxy.has_faulted = True
            self._client.sendall(bytes([rest[0] ^ 0x10]) + rest[1:])
            self._fault = Fault()
            return True
        return False


@contextlib.contextmanager
def faulty_line(server_port: int, fault: Callable[[int], Fault]) -> Iterator[Proxy]:
    """A proxy in front of the server at `server_port`."""
    proxy = Proxy(server_port, fault)
    try:
        yield proxy
    finally:
        proxy.close()
