"""A real HAProxy of a test's own, with web servers behind it and a client that never stops asking."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.sshd import wait_for

_PATIENCE_SECONDS = 100.0
_CONFIGURATION = """\
global
  stats socket {socket} level {level}
defaults
  mode http
  option redispatch
  retries 3
  timeout connect 2s
  timeout client 120s
  timeout server 120s
frontend front
  {binds}
  default_backend portail
backend portail
  server old {old} check inter 100ms
  server new {new} {check} disabled
"""


class Web:
    """A web server on a port of its own that says its name, and keeps `/slow` waiting until it is let go."""

    def __init__(self, name: str) -> None:
        self.let_go = threading.Event()
        self.has_slow = threading.Event()
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path == "/slow":
                    web.has_slow.set()
                    web.let_go.wait(_PATIENCE_SECONDS)
                body = name.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Client:
    """Asks one request after the other, each on a connection of its own, and remembers what it got."""

    port: int
    answers: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def ask(self, path: str = "/") -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read().decode()
            return body if response.status == 200 else f"{response.status}: {body[:60]}"
        finally:
            connection.close()

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Ask all the time until the block is left; at least one answer came before it and one comes after."""
        stop = threading.Event()

        def keep_asking() -> None:
            while not stop.is_set():
                try:
                    said = self.ask()
                except (OSError, http.client.HTTPException) as error:
                    self.errors.append(repr(error))
                    continue
                (self.errors if said[0].isdigit() else self.answers).append(said)

        threads = [threading.Thread(target=keep_asking) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            self.wait_for_more()
            yield
            self.wait_for_more()
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def wait_for_more(self) -> None:
        enough = len(self.answers) + len(self.errors) + 20
        wait_for(lambda: len(self.answers) + len(self.errors) >= enough, "answers")


@dataclass(frozen=True)
class Haproxy:
    """HAProxy as it runs: backend `portail`, servers `old` (in use) and `new` (in maintenance)."""

    socket: Path

    def tell(self, command: str) -> str:
        """What HAProxy answers to a command."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(_PATIENCE_SECONDS)
            peer.connect(str(self.socket))
            peer.sendall(command.encode() + b"\n")
            said = b""
            while part := peer.recv(65536):
                said += part
        return said.decode()

    def status(self, server: str) -> str:
        """`UP`, `MAINT`, `DRAIN` and so on, as HAProxy's own page shows it."""
        for line in self.tell("show stat portail 4 -1").splitlines()[1:]:
            cells = line.split(",")
            if len(cells) > 17 and cells[1] == server:
                return cells[17]
        raise AssertionError(f"no server {server}")


@dataclass(frozen=True)
class Proxy(Haproxy):
    """HAProxy with a web server of the test behind either name."""

    port: int
    old: Web
    new: Web

    @property
    def client(self) -> Client:
        return Client(self.port)

    def hold_old(self, client: Client) -> None:
        """Send the old server a request that it answers only once it is let go; returns when it has it."""
        threading.Thread(target=client.ask, args=("/slow",), daemon=True).start()
        wait_for(self.old.has_slow.is_set, "the slow request")


@contextlib.contextmanager
def running_haproxy(*, level: str = "admin", checks_new: bool = True) -> Iterator[Proxy]:
    """HAProxy with `old` up and `new` in maintenance, until the block is left."""
    with contextlib.ExitStack() as stack:
        front = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=128))
        old, new = Web("old"), Web("new")
        stack.callback(old.stop)
        stack.callback(new.stop)
        addresses = f"127.0.0.1:{old.port}", f"127.0.0.1:{new.port}"
        between = haproxy_between([front], *addresses, level=level, checks_new=checks_new)
        haproxy = stack.enter_context(between)
        yield Proxy(haproxy.socket, front.getsockname()[1], old, new)


@contextlib.contextmanager
def haproxy_between(
    fronts: Sequence[socket.socket], old: str, new: str, *, level: str = "admin", checks_new: bool = True
) -> Iterator[Haproxy]:
    """HAProxy that takes what arrives at `fronts`, which listen, to the server at the address `old`; ended after it."""
    with contextlib.ExitStack() as stack:
        # A UNIX socket needs a short path, which pytest's folders are not.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="haproxy-")))
        configuration, path = folder / "haproxy.cfg", folder / "socket"
        descriptors = [front.fileno() for front in fronts]
        binds = "\n  ".join(f"bind fd@{descriptor}" for descriptor in descriptors)
        check = "check inter 100ms" if checks_new else ""
        configuration.write_text(
            _CONFIGURATION.format(socket=path, level=level, binds=binds, old=old, new=new, check=check)
        )
        argv = ["/usr/sbin/haproxy", "-db", "-f", str(configuration)]
        log = stack.enter_context((folder / "log").open("wb"))
        process = subprocess.Popen(argv, stdout=log, stderr=log, pass_fds=descriptors)
        stack.callback(process.wait)
        stack.callback(process.kill)
        haproxy = Haproxy(path)
        wait_for(lambda: _is_up(process, haproxy), "HAProxy")
        yield haproxy


def _is_up(process: subprocess.Popen[bytes], haproxy: Haproxy) -> bool:
    assert process.poll() is None, "HAProxy ended"
    if not haproxy.socket.exists():
        return False
    with contextlib.suppress(ConnectionError):
        return haproxy.status("old") == "UP" and "layer4 check passed" in haproxy.tell("show stat portail 4 -1").lower()
    return False
