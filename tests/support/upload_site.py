"""A small web application, as a program: static pages, and an upload folder that can be closed.

`upload_site.py NAME PLACE DESCRIPTOR` serves PLACE/data at a listening socket that it inherits. While PLACE/closed
exists, uploads are answered with 503. Every answer names who gave it. Standard library only; started by its path.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.server
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from pathlib import Path


class Handler(http.server.BaseHTTPRequestHandler):
    server: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        try:
            body = self._file().read_bytes()
        except FileNotFoundError:
            self._answer(404)
        else:
            self._answer(200, body)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.writing() as is_open:
            if is_open:
                # Outside the data, so that nobody who looks there sees half a file.
                temp = self.server.place / f"arriving-{secrets.token_hex(8)}"
                temp.write_bytes(body)
                temp.chmod(0o644)
                temp.rename(self._file())
        self._answer(201 if is_open else 503)

    def do_DELETE(self) -> None:
        with self.server.writing() as is_open:
            if is_open:
                self._file().unlink(missing_ok=True)
        self._answer(204 if is_open else 503)

    def _file(self) -> Path:
        return self.server.place / "data" / self.path.lstrip("/")

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Served-By", self.server.name)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Site(http.server.ThreadingHTTPServer):
    def __init__(self, name: str, place: Path, listening: socket.socket) -> None:
        super().__init__(listening.getsockname()[:2], Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.name = name
        self.place = place

    @contextlib.contextmanager
    def writing(self) -> Iterator[bool]:
        """Whether uploads are open; as long as the block lasts, who closes them and takes the lock has to wait."""
        lock = os.open(self.place / "writing.lock", os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield not (self.place / "closed").exists()
        finally:
            os.close(lock)


if __name__ == "__main__":
    Site(sys.argv[1], Path(sys.argv[2]), socket.socket(fileno=int(sys.argv[3]))).serve_forever()
