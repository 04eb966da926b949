"""An interpreter with everything loaded, which forks into one command after the other.

The tests start `migrator` some two thousand times, and nine tenths of the work of a short command is the loading of its
modules. So that is done once; each command is a process of its own all the same. With COLD_STARTS=1 in the environment
every command is started from nothing, as those always are that a test kills, and one of each kind in
tests/e2e/test_command_line.py.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

# What a command comes to load, and what those load late of themselves.
_MODULES = (
    "migrator.bootstrap",
    "migrator.cli.app",
    "migrator.console.people",
    "migrator.planfile.loading",
    "paramiko",
    "pydantic.json_schema",
    "sqlalchemy.dialects.sqlite",
)
# What the interpreter, the C library or migrator looks at once: where it differs, a command starts from nothing.
_OF_THE_START = ("LANG", "LC_", "LD_", "MIGRATOR_", "PYTHON", "TZ")
_HEADER_BYTES = 8


class WarmInterpreter:
    """Carries out commands one at a time, each in a process of its own; for one thread, until `close`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._line, theirs = socket.socketpair()
        self._start = _of_the_start(environment)
        self._folder = os.getcwd()
        self._is_cold = "COLD_STARTS" in os.environ
        with theirs:
            command = [sys.executable, "-m", __name__, str(theirs.fileno())]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=dict(environment),
            )

    def can_run(self, environment: Mapping[str, str]) -> bool:
        """Whether a command in that environment, and in today's folder, would notice no difference."""
        return not self._is_cold and self._start == _of_the_start(environment) and self._folder == os.getcwd()

    def run(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str], timeout_seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """Like ``python -m MODULE ARGUMENTS``, with nothing to read; subprocess.TimeoutExpired when it was killed."""
        ends = [os.pipe(), os.pipe()]
        request = json.dumps([module, *arguments]), json.dumps(dict(environment))
        with ThreadPoolExecutor(2) as readers:
            body = "\n".join(request).encode()
            socket.send_fds(self._line, [len(body).to_bytes(_HEADER_BYTES)], [theirs for _, theirs in ends])
            for _, theirs in ends:
                os.close(theirs)
            said = [readers.submit(_text, ours) for ours, _ in ends]
            self._line.sendall(body)
            pid = self._number()
            try:
                self._line.settimeout(timeout_seconds)
                status = self._number()
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                self._line.settimeout(None)
                self._number()
                raise subprocess.TimeoutExpired([module, *arguments], timeout_seconds) from None
            finally:
                self._line.settimeout(None)
            stdout, stderr = (text.result() for text in said)
        return subprocess.CompletedProcess([module, *arguments], os.waitstatus_to_exitcode(status), stdout, stderr)

    def close(self) -> None:
        """Have its process end."""
        self._line.close()
        self._process.wait(10)

    def _number(self) -> int:
        return int.from_bytes(_exactly(self._line, _HEADER_BYTES))


def _text(descriptor: int) -> str:
    with open(descriptor, encoding="utf-8") as stream:
        return stream.read()


def _of_the_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_OF_THE_START)}


def _exactly(line: socket.socket, size: int) -> bytes:
    """So many bytes; EOFError when the other end has hung up."""
    found = b""
    while len(found) < size:
        part = line.recv(size - len(found))
        if not part:
            raise EOFError
        found += part
    return found


def _main(descriptor: int) -> None:
    """Serve the test process until it hangs up; a child that is to become a command leaves by SystemExit."""
    for name in _MODULES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # pages that no collection touches are shared with the children
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C ends the commands, and pytest, which hangs up
    with socket.socket(fileno=descriptor) as line:
        while True:
            header, descriptors, _, _ = socket.recv_fds(line, _HEADER_BYTES, 2)
            if not header:
                return
            body = _exactly(line, int.from_bytes(header))
            if (pid := os.fork()) == 0:
                break
            for theirs in descriptors:
                os.close(theirs)
            line.sendall(pid.to_bytes(_HEADER_BYTES))
            line.sendall(os.waitpid(pid, 0)[1].to_bytes(_HEADER_BYTES))
    command, environment = (json.loads(text) for text in body.decode().split("\n"))
    _become(command, environment, descriptors)


def _become(command: list[str], environment: dict[str, str], descriptors: list[int]) -> None:
    """From here on this process is what ``python -m`` would have made of it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in enumerate(descriptors, 1):
        os.dup2(descriptor, number)
        os.close(descriptor)
    # Streams know from their making what they lead to.
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - open as long as the process
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115 - the same
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = command
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main(int(sys.argv[1]))
