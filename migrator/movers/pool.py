"""Local movers behind the `Executor` interface: one process and one thread that watches it for each.

Unlike ProcessPoolExecutor, a mover streams what it has committed while its batch is still under way, and a mover
that is killed is replaced without touching the others (docs/decisions).
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor, Future, wait
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from migrator.domain.plan import EndpointSpec
from migrator.errors import LocalFault
from migrator.movers.messages import Done, Report, Start, Stop, Task

_GOODBYE_SECONDS = 2.0


class MoverDied(LocalFault):
    """The mover was killed in mid-batch; what it had reported holds, the rest was not done."""

    def __init__(self, message: str = "a mover was killed") -> None:
        super().__init__(
            message, hint="`dmesg` says whether this machine ran out of memory; then run the command again"
        )


class _Order(NamedTuple):
    task: Task
    on_report: Callable[[Any], None]
    future: Future[None]


class _Mover:
    """One process and the pipe to it."""

    def __init__(self, endpoints: Mapping[str, EndpointSpec]) -> None:
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
        self.send(Start(dict(endpoints)))

    def send(self, message: Start | Task | Stop) -> None:
        """Raises MoverDied when nobody is there to hear it."""
        try:
            with self._sending:
                self._line.send(message)
        except OSError as error:
            raise MoverDied from error

    def receive(self) -> Report | Done:
        """The next message; MoverDied when none will come."""
        try:
            message = self._line.recv()
        except (EOFError, OSError) as error:
            raise MoverDied("a mover was killed in mid-batch") from error
        assert isinstance(message, Report | Done)
        return message

    def end(self) -> None:
        """Hang up, which makes it leave at once; kill it if it does not; reap it."""
        self._line.close()
        try:
            self.process.wait(_GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


class MoverPool(Executor):
    """`size` movers that share one queue of tasks; they are started when the first task comes."""

    def __init__(self, size: int, endpoints: Mapping[str, EndpointSpec]) -> None:
        self.size = size
        self._endpoints = endpoints
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._movers: list[_Mover] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._is_stopping = False
        self._is_shut_down = False

    def submit(  # type: ignore[override]
        self, work: Callable[..., None], job: Any, *, on_report: Callable[[Any], None]
    ) -> Future[None]:
        """Have a mover call ``work(hands, job)``; its reports come to `on_report`, in another thread, as they are made.

        The future fails with MoverDied when the mover was killed, or with the error the work raised. An error that
        `on_report` raises fails the future too, and ends the mover, whose further work nobody could record. After
        `ask_to_stop` or `shutdown` the future comes back cancelled.
        """
        future: Future[None] = Future()
        with self._lock:
            if self._is_stopping:
                _cancel(future)
                return future
            if len(self._threads) < self.size:
                thread = threading.Thread(target=self._watch, name=f"mover-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._orders.put(_Order(Task(work, job), on_report, future))
        return future

    def ask_to_stop(self) -> None:
        """Let every mover finish its commit group and end its batch; tasks not yet begun are cancelled."""
        with self._lock:
            self._is_stopping = True
            movers = list(self._movers)
        for mover in movers:
            _ask_to_stop(mover)

    def abort(self, futures: Collection[Future[None]]) -> None:
        """End the movers that carry these at once: what they have not committed is lost, and they write no more.

        Futures that no mover carries yet are cancelled. All are done when this returns.
        """
        for future in futures:
            future.cancel()
        with self._lock:
            movers = [mover for mover in self._movers if mover.carries in futures]
            for mover in movers:
                mover.process.kill()
        wait([mover.carries for mover in movers if mover.carries is not None], _GOODBYE_SECONDS)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:  # noqa: FBT001, FBT002 - Executor's
        """End every mover at once: uncommitted work is lost, committed work is not."""
        del wait, cancel_futures  # there is nothing else to do than both
        with self._lock:
            self._is_stopping = self._is_shut_down = True
            threads, self._threads = self._threads, []
            for mover in self._movers:
                mover.process.kill()
        for _ in threads:
            self._orders.put(None)
        for thread in threads:
            thread.join(_GOODBYE_SECONDS)

    def _watch(self) -> None:
        """One mover's life: the thread that starts it must outlive it, or the kernel would end it (PDEATHSIG)."""
        mover: _Mover | None = None
        while (order := self._orders.get()) is not None:
            if self._is_stopping:
                _cancel(order.future)
                continue
            if not order.future.set_running_or_notify_cancel():
                continue
            try:
                mover = mover or self._start()
                self._carry_out(order, mover)
            except Exception as error:  # noqa: BLE001 - handed to whoever waits for the future
                self._end(mover)
                mover = None
                order.future.set_exception(error)
        self._end(mover)

    def _carry_out(self, order: _Order, mover: _Mover) -> None:
        with self._lock:
            mover.carries = order.future
        mover.send(order.task)
        while not isinstance(message := mover.receive(), Done):
            order.on_report(message.content)
        with self._lock:  # from here on nobody may kill it for this task's sake
            mover.carries = None
        if message.error is None:
            order.future.set_result(None)
            return
        if message.traceback:
            message.error.add_note(message.traceback)
        order.future.set_exception(message.error)

    def _start(self) -> _Mover:
        """A mover that knows of a stop which was asked for while it started."""
        mover = _Mover(self._endpoints)
        with self._lock:
            self._movers.append(mover)
            if self._is_shut_down:
                mover.process.kill()
            elif self._is_stopping:
                _ask_to_stop(mover)
        return mover

    def _end(self, mover: _Mover | None) -> None:
        if mover is None:
            return
        with self._lock:
            self._movers.remove(mover)
        mover.end()


def _ask_to_stop(mover: _Mover) -> None:
    with suppress(MoverDied):  # its watcher learns it, too
        mover.send(Stop())


def _cancel(future: Future[None]) -> None:
    """Cancel `future` so that also `concurrent.futures.wait` takes it for done."""
    future.cancel()
    future.set_running_or_notify_cancel()
