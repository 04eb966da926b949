"""Talking to HAProxy's runtime socket: one command, one answer, on this machine or through an endpoint.

The commands and their answers are in HAProxy's management guide, section 9.3 "Unix Socket commands".
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence

from migrator.endpoints.contract import OUTPUT_LIMIT_BYTES, Completed, Host
from migrator.errors import EndpointUnavailable
from migrator.switching.quoting import brief, quoted

Ask = Callable[[str], str]

_ANSWER_SECONDS = 10.0
# What a far python3 is given: no tool for sockets needs to be there. Python 3.6 and later.
_PROGRAM = """\
import socket, sys
path, command, seconds, most = sys.argv[1:]
peer = socket.socket(socket.AF_UNIX)
peer.settimeout(float(seconds))
try:
    peer.connect(path)
    peer.sendall(command.encode() + b"\\n")
    said = b""
    while len(said) <= int(most):
        part = peer.recv(65536)
        if not part:
            break
        said += part
except (OSError, socket.timeout) as error:
    sys.exit(str(error))
sys.stdout.buffer.write(said)
"""


class NoAnswer(EndpointUnavailable):
    """The socket is not there, not ours to use, or does not answer."""


def runtime_at(endpoint: Host, path: str) -> Ask:
    """One command to the socket at `path`, sent where `endpoint` is; its answer. NoAnswer when there is none.

    On this machine directly, elsewhere by the python3 that is there.
    """
    if endpoint.spec.is_local:
        return lambda command: _ask_here(path, command)
    return lambda command: _ask_there(endpoint.run, path, command)


def _ask_here(path: str, command: str) -> str:
    deadline = time.monotonic() + _ANSWER_SECONDS
    said = bytearray()
    try:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(_ANSWER_SECONDS)
            peer.connect(path)
            peer.sendall(command.encode() + b"\n")
            while part := peer.recv(OUTPUT_LIMIT_BYTES):
                said += part
                if len(said) > OUTPUT_LIMIT_BYTES:
                    raise _too_long(path)
                peer.settimeout(max(0.001, deadline - time.monotonic()))
    except OSError as error:
        raise _silent(path, error.strerror or str(error)) from error
    return bytes(said).decode("utf-8", "backslashreplace")


def _ask_there(run: Callable[[Sequence[str], float], Completed], path: str, command: str) -> str:
    argv = ("python3", "-I", "-c", _PROGRAM, path, command, f"{_ANSWER_SECONDS:g}", str(OUTPUT_LIMIT_BYTES))
    completed = run(argv, _ANSWER_SECONDS * 2)
    if completed.status != 0:
        raise _silent(path, brief(completed.stderr) or quoted(completed))
    if len(completed.stdout) >= OUTPUT_LIMIT_BYTES:
        raise _too_long(path)
    return completed.stdout.decode("utf-8", "backslashreplace")


def _silent(path: str, why: str) -> NoAnswer:
    return NoAnswer(
        f"HAProxy does not answer at its socket {path}: {why}",
        hint="see that HAProxy runs, that `stats socket` names that path, and that this account may use it",
    )


def _too_long(path: str) -> NoAnswer:
    return NoAnswer(f"what answers at the socket {path} does not end", hint="see what listens there")
