"""A TCP forwarder on the loopback that counts what crosses it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

_BUFFER_BYTES = 256 * 1024


@dataclass
class Counter:
    """Where to connect, and what has crossed so far, encrypted as it is."""

    port: int
    from_client_bytes: int = 0
    from_server_bytes: int = 0


@contextlib.contextmanager
def counted(server_port: int, host: str = "127.0.0.1") -> Iterator[Counter]:
    """A port that leads to `server_port`; every connection ends with the block."""
    listener = socket.create_server((host, 0))
    counter = Counter(listener.getsockname()[1])
    ends: list[socket.socket] = []

    def forward(one: socket.socket, other: socket.socket, field: str) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(_BUFFER_BYTES):
                setattr(counter, field, getattr(counter, field) + len(data))
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((host, server_port))
                ends.extend((client, server))
                for one, other, field in (
                    (client, server, "from_client_bytes"),
                    (server, client, "from_server_bytes"),
                ):
                    threading.Thread(target=forward, args=(one, other, field), daemon=True).start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield counter
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for end in ends:
            end.close()
