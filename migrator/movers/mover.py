"""One mover as the coordinator sees it: a process, and the pipe to it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from migrator.errors import LocalFault
from migrator.movers.messages import FromMover, Start, ToMover

GOODBYE_SECONDS = 2.0


class MoverDied(LocalFault):
    """The mover was killed in mid-batch; what it had reported holds, the rest was not done."""

    def __init__(self, message: str = "a mover was killed") -> None:
        super().__init__(
            message, hint="`dmesg` says whether this machine ran out of memory; then run the command again"
        )


class Mover:
    """One process and the pipe to it."""

    def __init__(self, start: Start) -> None:
        ours, theirs = Pipe(duplex=True)
        command = [sys.executable, "-m", "migrator.movers.worker", str(theirs.fileno()), str(os.getpid())]
        # A session of its own: a Ctrl-C at the terminal reaches the coordinator alone.
        # Its standard error stays ours, so that one that cannot even start says why.
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        self.carries: Future[None] | None = None
        self._line: Connection = ours
        self._sending = threading.Lock()
        self.send(start)

    def send(self, message: ToMover) -> None:
        """Raises MoverDied when nobody is there to hear it."""
        try:
            with self._sending:
                self._line.send(message)
        except OSError as error:
            raise MoverDied from error

    @property
    def is_gone(self) -> bool:
        """Whether the process has ended."""
        return self.process.poll() is not None

    def receive(self) -> FromMover:
        """The next message; MoverDied when none will come."""
        try:
            message = self._line.recv()
        except (EOFError, OSError) as error:
            raise MoverDied("a mover was killed in mid-batch") from error
        assert isinstance(message, FromMover)
        return message

    def end(self) -> None:
        """Hang up, which makes it leave at once; kill it if it does not; reap it."""
        self._line.close()
        if not self._leaves(GOODBYE_SECONDS):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def _leaves(self, seconds: float) -> bool:
        """Whether it ends within so many seconds; woken by its end, where Popen.wait would look again and again."""
        try:
            leaving = os.pidfd_open(self.process.pid)
        except OSError:  # before Linux 5.3, or not allowed
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
            return self.is_gone
        try:
            poll = select.poll()
            poll.register(leaving, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        finally:
            os.close(leaving)
