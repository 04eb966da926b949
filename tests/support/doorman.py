"""A man in the middle of TCP who lets so many connections through at a time, and hangs up on everybody else."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator


class Doorman:
    """Listens on `port` and connects to a server on the loopback."""

    def __init__(self, server_port: int, most: int) -> None:
        self.refusals = 0
        self.most_seen = 0
        self._server_port = server_port
        self._most = most
        self._inside = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take nobody in any more; who is inside may stay."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            with self._lock:
                is_full = self._inside >= self._most
                self.refusals += is_full
                self._inside += not is_full
                self.most_seen = max(self.most_seen, self._inside)
            if is_full:
                client.close()
            else:
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        try:
            with (
                contextlib.suppress(OSError),  # one of them is gone
                client,
                socket.create_connection(("127.0.0.1", self._server_port)) as server,
            ):
                _exchange(client, server)
        finally:
            with self._lock:
                self._inside -= 1


def _exchange(one: socket.socket, other: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in selector.select():
                source, sink = key.fileobj, key.data
                assert isinstance(source, socket.socket)
                data = source.recv(1 << 16)
                if not data:
                    return
                sink.sendall(data)


@contextlib.contextmanager
def doorman(server_port: int, most: int) -> Iterator[Doorman]:
    """A doorman in front of the server at `server_port`."""
    man = Doorman(server_port, most)
    try:
        yield man
    finally:
        man.close()
