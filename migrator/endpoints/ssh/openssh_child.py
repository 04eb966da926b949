"""One run of the system's ssh client: its pipes, its last words, and an end that leaves no process behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from migrator.domain.plan import EndpointSpec
from migrator.endpoints.contract import OUTPUT_LIMIT_BYTES
from migrator.endpoints.ssh.anonymous_file import AnonymousFile
from migrator.endpoints.ssh.openssh_command import ssh_command, ssh_environment
from migrator.endpoints.ssh.openssh_log import Story
from migrator.errors import LocalFault

_PIPE_BYTES = 1 << 20
_LOG_BYTES = 256 * 1024
# After its pipes are closed ssh says goodbye to the server; after that it is told to go, then made to go.
_GOODBYE_SECONDS = 1.0
_TERMINATE_SECONDS = 0.5
# ssh tells how far it is in a file that nobody can wait for.
_LOOK_SECONDS = 0.005


class SshChild:
    """A running ssh in a session of its own, so that a signal from the terminal does not reach it."""

    def __init__(self, route: Sequence[EndpointSpec], pins: Sequence[Path | None], ending: Sequence[str]) -> None:
        """Start it: `pins` as for `ssh_command`, `ending` follows the options (`-s -- host sftp`)."""
        self.started_at = time.monotonic()
        self.was_given_up = False  # by us, for its silence
        self._told: list[Story] = []
        self._logs = [AnonymousFile() for _ in route]
        try:
            self._process = self._started(route, pins, ending)
        except BaseException:
            self._forget_logs()
            raise
        self.stdin = _pipe(self._process.stdin)
        self.stdout = _pipe(self._process.stdout)
        self._words = _Words(_pipe(self._process.stderr))

    @property
    def stories(self) -> list[Story]:
        """What each hop's ssh has logged so far, or had when it ended."""
        return self._told or [Story(log.read(_LOG_BYTES)) for log in self._logs]

    @property
    def words(self) -> bytes:
        """What came on standard error, OUTPUT_LIMIT_BYTES at most: the server's words, and no line of ssh's log."""
        return self._words.text()

    def wait_for_session(self, seconds: float) -> None:
        """Return when the end of the route has opened a session, or ssh has ended; end it after `seconds`."""
        while self._process.poll() is None and not Story(self._logs[-1].read(_LOG_BYTES)).is_in_session:
            if time.monotonic() > self.started_at + seconds:
                self.was_given_up = True
                self.kill()
                return
            time.sleep(_LOOK_SECONDS)

    def wait(self, seconds: float) -> int | None:
        """The exit status, once it has ended and all its words are heard; None when it goes on after `seconds`."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._words.hear_out()
        return status

    def kill(self) -> None:
        """End it and whatever it started, at once; from any thread."""
        self._signal(signal.SIGKILL)

    def end(self) -> None:
        """Close the pipes, see it out, reap it, and forget its logs; may be called twice."""
        self.stdin.close()
        self.stdout.close()
        for seconds, then in ((_GOODBYE_SECONDS, signal.SIGTERM), (_TERMINATE_SECONDS, signal.SIGKILL)):
            if self.wait(seconds) is not None:
                break
            self._signal(then)
        self._process.wait()
        self._words.hear_out()
        self._told = self.stories
        self._forget_logs()

    def _started(
        self, route: Sequence[EndpointSpec], pins: Sequence[Path | None], ending: Sequence[str]
    ) -> subprocess.Popen[bytes]:
        command = [*ssh_command(route, [log.path for log in self._logs], pins), *ending]
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=ssh_environment(route),
                bufsize=0,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise LocalFault(
                "the program `ssh` was not found",
                hint="install openssh-client, or write `connector: paramiko` for this endpoint",
            ) from error

    def _forget_logs(self) -> None:
        for log in self._logs:
            log.close()

    def _signal(self, number: signal.Signals) -> None:
        # The group, not the process: a ProxyCommand belongs to it.
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                os.killpg(self._process.pid, number)


class _Words:
    """A thread that reads a pipe to its end, so that its writer never waits, and keeps the beginning."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._kept = bytearray()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._listen, name="ssh-words", daemon=True)
        self._thread.start()

    def text(self) -> bytes:
        with self._lock:
            return bytes(self._kept)

    def hear_out(self) -> None:
        # Bounded: something in the background that the user's ssh_config started may hold the other end.
        self._thread.join(1.0)

    def _listen(self) -> None:
        with self._pipe:
            while data := self._pipe.read(64 * 1024):
                with self._lock:
                    self._kept += data[: OUTPUT_LIMIT_BYTES - len(self._kept)]


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    # Fewer switches between us and ssh; a refusal (pipe-user-pages-soft) costs speed only.
    with contextlib.suppress(OSError):
        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return pipe
