"""Effects on a stage: whatever is done to them is written down, and any act can be held while the run is killed.

Acts are `probe-no`, `probe-yes`, and `apply-begun`, `apply-done`, `undo-begun`, `undo-done`: before and after it acted.
"""

from __future__ import annotations

import contextlib
import os
import socket
import socketserver
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, Protocol

from tests.support.haproxy import Haproxy
from tests.support.nameservers import ZONE, Key, Server
from tests.support.plans import Mapped
from tests.support.sshd import HOST, wait_for
from tests.support.web import Asked, Reply, serving

# In the order in which they come, each a moment for a kill: before, during (twice) and after.
PLACING = ("probe-no", "apply-begun", "apply-done", "probe-yes")
TAKING_BACK = ("probe-yes", "undo-begun", "undo-done", "probe-no")
_PATIENCE_SECONDS = 100.0
_UPDATE = 5  # the opcode of RFC 2136


class Stage(Protocol):
    """An effect whose acts are seen and can be held, one kind of act at a time."""

    @property
    def acts(self) -> list[str]:
        """Everything that was done to it, in order."""

    @property
    def in_plan(self) -> Mapped:
        """A freeze, or a switch, as the plan describes it."""

    def hold(self, act: str) -> None:
        """From now on an act of that kind stops where it stands."""

    def give_up(self) -> None:
        """Whoever asked for the act that is held is dead: it goes no further, and nothing is held any more."""


class Hook:
    """Three commands that are a small script; `on` is where the plan runs it."""

    _SCRIPT = """\
#!/bin/sh
cd "$(dirname "$0")" || exit 9
act() {
    echo "$1 $$" >> log
    if [ -p "hold-$1" ]; then read -r _ < "hold-$1"; fi
}
case $1 in
    probe) if [ -e placed ]; then act probe-yes; exit 0; else act probe-no; exit 1; fi ;;
    apply) act apply-begun; touch placed; act apply-done ;;
    undo) act undo-begun; rm -f placed; act undo-done ;;
esac
"""

    def __init__(self, folder: Path, on: Literal["here", "source"] = "here") -> None:
        folder.mkdir()
        folder.chmod(0o777)  # the account at the source writes there, too
        self._folder = folder
        self._on = on
        self._script = folder / "hook"
        self._script.write_text(self._SCRIPT)
        self._script.chmod(0o755)

    @property
    def acts(self) -> list[str]:
        return [act for act, _ in self._lines()]

    @property
    def triple(self) -> Mapped:
        """The commands, as a freeze or the switch `command` has them."""
        verbs = {verb: [str(self._script), verb] for verb in ("apply", "probe", "undo")}
        return {"on": self._on, **verbs, "timeout": f"{_PATIENCE_SECONDS:.0f} s"}

    @property
    def in_plan(self) -> Mapped:
        return {"command": self.triple}

    def hold(self, act: str) -> None:
        fifo = self._folder / f"hold-{act}"
        os.mkfifo(fifo)
        fifo.chmod(0o666)

    def give_up(self) -> None:
        """Returns when the script is gone, which it is without any help: it does not outlive the run."""
        for fifo in self._folder.glob("hold-*"):
            fifo.unlink()
        pids = [pid for _, pid in self._lines()]
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "the hook ends with the run")

    def _lines(self) -> list[tuple[str, str]]:
        log = self._folder / "log"
        found = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
        return [(act, pid) for act, pid in found]


class Acts:
    """The acts on something within this process."""

    def __init__(self) -> None:
        self.acts: list[str] = []
        self._changed = threading.Condition()
        self._held: str | None = None
        self._is_waiting = False

    def goes_on(self, act: str) -> bool:
        """Note the act, and wait while it is held; False when whoever asked for it is dead by then."""
        with self._changed:
            self.acts.append(act)
            if act != self._held:
                return True
            self._is_waiting = True
            self._changed.wait_for(lambda: not self._is_waiting, _PATIENCE_SECONDS)
            return False

    def hold(self, act: str) -> None:
        with self._changed:
            self._held = act

    def give_up(self) -> None:
        with self._changed:
            self._held, self._is_waiting = None, False
            self._changed.notify_all()


class HttpStage(Acts):
    """An interface that a switch `http` calls: PUT /on, PUT /off, and GET / for the probe."""

    def __init__(self, url: Callable[[str], str]) -> None:
        super().__init__()
        self._url = url
        self._is_placed = False

    @property
    def in_plan(self) -> Mapped:
        put = {verb: {"method": "PUT", "url": self._url(path)} for verb, path in (("apply", "/on"), ("undo", "/off"))}
        return {"http": {**put, "probe": {"url": self._url("/")}, "timeout": "60 s"}}

    def answer(self, asked: Asked) -> Reply:
        if asked.method == "GET":
            self.goes_on("probe-yes" if self._is_placed else "probe-no")
            return Reply(200 if self._is_placed else 404)
        verb = "apply" if asked.path == "/on" else "undo"
        if self.goes_on(f"{verb}-begun"):
            self._is_placed = verb == "apply"
            self.goes_on(f"{verb}-done")
        return Reply(200)


@contextlib.contextmanager
def http_stage() -> Iterator[HttpStage]:
    """The interface, until the block is left."""
    with serving(lambda _: Reply(503)) as api:
        stage = HttpStage(api.url)
        api.answer = stage.answer
        yield stage


class HaproxyStage(Acts):
    """A socket in front of the runtime socket of a real HAProxy."""

    def __init__(self, haproxy: Haproxy, path: Path) -> None:
        super().__init__()
        self._haproxy = haproxy
        self._path = path

    @property
    def in_plan(self) -> Mapped:
        return {"haproxy": {"on": "here", "socket": str(self._path), "backend": "portail", "from": "old", "to": "new"}}

    def passed_on(self, command: str) -> str:
        verbs = {"set server portail/new state ready; ": "apply", "set server portail/old state ready; ": "undo"}
        verb = next((verb for words, verb in verbs.items() if command.startswith(words)), None)
        if command.startswith("show servers state"):
            self.goes_on("probe-yes" if self._haproxy.status("new") == "UP" else "probe-no")
        if verb is not None and not self.goes_on(f"{verb}-begun"):
            return ""
        said = self._haproxy.tell(command)
        if verb is not None:
            self.goes_on(f"{verb}-done")
        return said


@contextlib.contextmanager
def haproxy_stage(haproxy: Haproxy) -> Iterator[HaproxyStage]:
    """The socket, until the block is left."""
    # A UNIX socket needs a short path, which pytest's folders are not.
    with tempfile.TemporaryDirectory(prefix="stage-") as folder:
        stage = HaproxyStage(haproxy, Path(folder) / "socket")

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                said = stage.passed_on(self.rfile.readline().decode().rstrip("\n"))
                with contextlib.suppress(BrokenPipeError):  # whoever asked was killed
                    self.wfile.write(said.encode())

        with _served(socketserver.ThreadingUnixStreamServer(str(folder) + "/socket", Handler)):
            yield stage


class DnsStage(Acts):
    """A way to a real name server, over UDP and TCP; `value` is what the record is to say."""

    def __init__(self, server: Server, key: Key, before: str, value: str, port: int) -> None:
        super().__init__()
        self._server = server
        self._key = key
        self._before, self._value = (socket.inet_aton(address) for address in (before, value))
        self._wanted = value
        self._port = port

    @property
    def in_plan(self) -> Mapped:
        record = {"server": f"{HOST}:{self._port}", "zone": ZONE, "name": "eau", "type": "A", "value": self._wanted}
        return {"dns": {**record, "key_file": str(self._key.file), "timeout": "60 s"}}

    def asked(self, query: bytes) -> bytes | None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
            way.settimeout(_PATIENCE_SECONDS)
            way.sendto(query, (HOST, self._server.port))
            answer = way.recv(65536)
        is_held = not self.goes_on("probe-yes" if self._value in answer else "probe-no")
        return None if is_held else answer

    def told(self, message: bytes) -> bytes:
        is_update = (message[2] >> 3) & 15 == _UPDATE and self._value in message
        # The condition comes first in a message, and what is to stand there then after it.
        verb = "apply" if message.rfind(self._value) > message.rfind(self._before) else "undo"
        if is_update and not self.goes_on(f"{verb}-begun"):
            return b""
        with socket.create_connection((HOST, self._server.port), _PATIENCE_SECONDS) as way, way.makefile("rwb") as file:
            file.write(struct.pack(">H", len(message)) + message)
            file.flush()
            answer = file.read(*struct.unpack(">H", file.read(2)))
        if is_update:
            self.goes_on(f"{verb}-done")
        return answer


@contextlib.contextmanager
def dns_stage(server: Server, key: Key, value: str) -> Iterator[DnsStage]:
    """The way, until the block is left."""
    (before,) = server.ask("eau")[1]

    class Datagram(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query, way = self.request
            answer = stage.asked(query)
            if answer is not None:
                way.sendto(answer, self.client_address)

    class Stream(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            answer = stage.told(self.rfile.read(*struct.unpack(">H", self.rfile.read(2))))
            with contextlib.suppress(OSError):  # whoever asked was killed
                self.wfile.write(struct.pack(">H", len(answer)) + answer)

    with contextlib.ExitStack() as stack:
        streams, datagrams = _at_one_port(Stream, Datagram)
        stage = DnsStage(server, key, before, value, streams.server_address[1])
        stack.enter_context(_served(streams))
        stack.enter_context(_served(datagrams))
        yield stage


def _at_one_port(
    stream: type[socketserver.BaseRequestHandler], datagram: type[socketserver.BaseRequestHandler]
) -> tuple[socketserver.ThreadingTCPServer, socketserver.ThreadingUDPServer]:
    for _ in range(20):
        streams = socketserver.ThreadingTCPServer((HOST, 0), stream)
        try:
            return streams, socketserver.ThreadingUDPServer(streams.server_address, datagram)
        except OSError:  # somebody has that port for datagrams
            streams.server_close()
    raise RuntimeError("no port is free for both")


@contextlib.contextmanager
def _served(server: socketserver.BaseServer) -> Iterator[None]:
    if isinstance(server, socketserver.ThreadingMixIn):
        server.daemon_threads = True
    with server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
