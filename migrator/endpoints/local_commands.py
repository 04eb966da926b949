"""Running a command on this machine within limits: of time, of output, of what it learns from the environment."""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Self

from migrator.endpoints.contract import OUTPUT_LIMIT_BYTES, Completed
from migrator.endpoints.guard import guarded

_SECRET = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|TOKEN|SECRET|CREDENTIAL|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|ASKPASS", re.IGNORECASE
)
_LOOK_SECONDS = 0.05
_PATIENCE_SECONDS = 1.0  # for a stopped command to clean up; for output still in a pipe that a daemon keeps open


def environment_without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` without variables whose names speak of passwords, tokens, keys, or programs that ask for them.

    Everything else is passed on, since hooks are the operator's own and rely on it. A hook that needs a secret reads
    it from a file.
    """
    return {name: value for name, value in environment.items() if not _SECRET.search(name)}


def run_command(argv: Sequence[str], timeout_seconds: float) -> Completed:
    """Run `argv` in a session of its own, standard input empty; see Endpoint.run.

    When its time is over it gets SIGTERM, and with all its children SIGKILL a second later; it does not outlive us. A
    daemon that it leaves behind does, and may keep the output open: it is not waited for.
    """
    deadline = time.monotonic() + timeout_seconds
    process = subprocess.Popen(
        guarded(sys.executable, argv),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=environment_without_secrets(os.environ),
    )
    assert process.stdin is not None
    with process.stdin, _Output(process) as output:
        try:
            status = _wait(process, output, deadline)
        except BaseException:
            _stop(process, output)
            raise
        if status is None:
            _stop(process, output)
        output.drain_for(_PATIENCE_SECONDS)
        return Completed(status, output.stdout, output.stderr)


class _Output:
    """Both streams of a child, read as they come so that it never blocks; what is above the limit is dropped."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._streams: tuple[IO[bytes], IO[bytes]] = (process.stdout, process.stderr)
        self._kept = (bytearray(), bytearray())
        self._selector = selectors.DefaultSelector()
        for stream, kept in zip(self._streams, self._kept, strict=True):
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ, kept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        for stream in self._streams:
            stream.close()

    @property
    def stdout(self) -> bytes:
        return bytes(self._kept[0])

    @property
    def stderr(self) -> bytes:
        return bytes(self._kept[1])

    @property
    def has_ended(self) -> bool:
        return not self._selector.get_map()

    def drain(self, timeout_seconds: float) -> None:
        """Take what comes within the time; returns after the first bytes, or the end of a stream."""
        for key, _ in self._selector.select(timeout_seconds):
            data = os.read(key.fd, OUTPUT_LIMIT_BYTES)
            if data:
                kept: bytearray = key.data
                kept += data[: OUTPUT_LIMIT_BYTES - len(kept)]
            else:
                self._selector.unregister(key.fileobj)

    def drain_for(self, seconds: float) -> None:
        """Take what is left, until both streams end or the time is over."""
        until = time.monotonic() + seconds
        while not self.has_ended and (left := until - time.monotonic()) > 0:
            self.drain(left)


def _wait(process: subprocess.Popen[bytes], output: _Output, deadline: float) -> int | None:
    """The exit status once the command has ended, None at the deadline; a signal counts as 128 and its number."""
    while (left := deadline - time.monotonic()) > 0:
        if output.has_ended:
            with suppress(subprocess.TimeoutExpired):
                return _status(process.wait(left))
            break
        output.drain(min(left, _LOOK_SECONDS))
        status = process.poll()
        if status is not None:
            return _status(status)
    return None


def _status(code: int) -> int:
    return code if code >= 0 else 128 - code


def _stop(process: subprocess.Popen[bytes], output: _Output) -> None:
    """End the command and what it started: asked first, then killed. The group exists until its leader is reaped."""
    _signal_group(process, signal.SIGTERM)
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until and not _has_exited(process):
        output.drain(_LOOK_SECONDS) if not output.has_ended else time.sleep(_LOOK_SECONDS)
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _has_exited(process: subprocess.Popen[bytes]) -> bool:
    """Whether the child has ended, without reaping it: its process id, and so its group's, stays ours."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
