"""A web server of a test's own whose answers the test decides, and which remembers what it was asked."""

from __future__ import annotations

import contextlib
import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Reply:
    """An answer; `drip_seconds` is waited for after each byte, as a hostile or sick server would."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    drip_seconds: float = 0.0


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # a client that goes away early, or does not like our certificate
            super().handle()

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        asked = Asked(self.command, self.path, dict(self.headers.items()), body)
        self.server.api.asked.append(asked)
        self._send(self.server.api.answer(asked))

    def do_PUT(self) -> None:
        self.do_GET()

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        pieces = [bytes([byte]) for byte in reply.body] if reply.drip_seconds else [reply.body]
        for piece in pieces:
            self.wfile.write(piece)
            if self.server.api.ended.wait(reply.drip_seconds):
                return

    def log_message(self, *_: object) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    def __init__(self, api: Api) -> None:
        self.api = api
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: object) -> None:
        pass


class Api:
    """Listens on the loopback; `answer` may be replaced at any time."""

    def __init__(self, answer: Callable[[Asked], Reply], context: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.ended = threading.Event()
        self._server = _Server(self)
        self._scheme = "http"
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str = "/") -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def serving(answer: Callable[[Asked], Reply], context: ssl.SSLContext | None = None) -> Iterator[Api]:
    """The server, until the block is left."""
    api = Api(answer, context)
    try:
        yield api
    finally:
        api.close()
