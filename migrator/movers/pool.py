"""Local movers behind the `Executor` interface: one process and one thread that watches it for each.

Unlike ProcessPoolExecutor, a mover streams what it has committed while its batch is still under way, and a mover
that is killed is replaced without touching the others (docs/decisions).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor, Future, wait
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from migrator.domain.plan import EndpointSpec
from migrator.endpoints.ssh.failures import Transient
from migrator.movers.budget import Budgets
from migrator.movers.counter import Counter
from migrator.movers.hands import Hands
from migrator.movers.messages import Done, Limited, Report, Start, Stop, Task
from migrator.movers.mover import GOODBYE_SECONDS, Mover, MoverDied
from migrator.movers.orders import Order, Orders, Sign

__all__ = ["MoverDied", "MoverPool"]


class MoverPool(Executor):
    """`size` movers that share one queue of tasks, and `budgets`; they are started when the first task comes."""

    def __init__(self, size: int, endpoints: Mapping[str, EndpointSpec], budgets: Budgets | None = None) -> None:
        self.size = size
        self._endpoints = endpoints
        self._budgets = budgets or Budgets(endpoints)
        self._budgets.when_rates_change(self._tell_limits)
        self._orders = Orders(self._budgets, size)
        self._movers: list[Mover] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._has_worked = False
        self._is_stopping = False
        self._is_shut_down = False
        self._given_up: WeakSet[Future[None]] = WeakSet()

    def submit(  # type: ignore[override]
        self,
        work: Callable[..., None],
        job: Any,
        *,
        on_report: Callable[[Any], None],
        endpoints: Collection[str] = (),
    ) -> Future[None]:
        """Have a mover call ``work(hands, job)``; its reports come to `on_report`, in another thread, as they are made.

        The future fails with MoverDied when the mover was killed, or with the error the work raised. An error that
        `on_report` raises fails the future too, and ends the mover, whose further work nobody could record. After
        `ask_to_stop` or `shutdown` the future comes back cancelled. `endpoints` are those that the work connects to:
        it waits while they are crowded, and is begun again when one of them turns it away.
        """
        self._has_worked = True
        return self._submit(work, job, on_report, endpoints)

    def get_ready(
        self, work: Callable[..., None] | None = None, job: Any = None, endpoints: Collection[str] = ()
    ) -> None:
        """Have all movers start, and do ``work(hands, job)``, before there is anything to do; later it does nothing.

        How that went is not told: what comes after it will meet the same difficulty, and can tell whose it is.
        """
        if not self._has_worked:
            for _ in range(self.size):
                self._submit(work or _stand_by, job, lambda _: None, endpoints)

    def _submit(
        self, work: Callable[..., None], job: Any, on_report: Callable[[Any], None], endpoints: Collection[str]
    ) -> Future[None]:
        future: Future[None] = Future()
        with self._lock:
            if self._is_stopping:
                _cancel(future)
                return future
            if len(self._threads) < self.size:
                thread = threading.Thread(target=self._watch, name=f"mover-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._orders.put(Order(Task(work, job), on_report, future, frozenset(endpoints)))
        return future

    def towards(self, endpoints: Collection[str]) -> Leg:
        """The same movers, for work that connects to these endpoints."""
        return Leg(self, frozenset(endpoints))

    def ask_to_stop(self) -> None:
        """Let every mover finish its commit group and end its batch; tasks not yet begun are cancelled."""
        with self._lock:
            self._is_stopping = True
            movers = list(self._movers)
        for mover in movers:
            _ask_to_stop(mover)
        self._cancel_waiting(None)

    def abort(self, futures: Collection[Future[None]]) -> None:
        """End the movers that carry these at once: what they have not committed is lost, and they write no more.

        Futures that no mover carries yet are cancelled. All are done when this returns.
        """
        with self._lock:
            self._given_up.update(futures)
            for future in futures:
                future.cancel()
            self._cancel_waiting(futures)
            movers = [mover for mover in self._movers if mover.carries in futures]
            for mover in movers:
                mover.process.kill()
        wait([mover.carries for mover in movers if mover.carries is not None], GOODBYE_SECONDS)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:  # noqa: FBT001, FBT002 - Executor's
        """End every mover at once: uncommitted work is lost, committed work is not."""
        del wait, cancel_futures  # there is nothing else to do than both
        with self._lock:
            self._is_stopping = self._is_shut_down = True
            threads, self._threads = self._threads, []
            for mover in self._movers:
                mover.process.kill()
        self._cancel_waiting(None)
        self._orders.end()
        for thread in threads:
            thread.join(GOODBYE_SECONDS)

    def _watch(self) -> None:
        """One mover's life: the thread that starts it must outlive it, or the kernel would end it (PDEATHSIG)."""
        mover: Mover | None = None
        me = object()
        while (order := self._orders.take(me)) is not Sign.END:
            if order is Sign.LEAVE:
                mover = self._sent_home(mover, me)
                continue
            assert isinstance(order, Order)
            if not order.future.running() and not order.future.set_running_or_notify_cancel():
                continue
            try:
                mover = mover or self._start()
                self._carry_out(order, mover, me)
            except Exception as error:  # noqa: BLE001 - handed to whoever waits for the future
                self._end(mover, me)
                mover = None
                order.future.set_exception(error)
        self._end(mover, me)

    def _carry_out(self, order: Order, mover: Mover, me: object) -> None:
        with self._lock:
            if order.future in self._given_up:
                raise MoverDied
            mover.carries = order.future
        done = self._converse(mover, order.task, order.hear)
        if isinstance(done.error, Transient) and self._tries_again(order, done.error, mover, me):
            return
        with self._lock:  # from here on nobody may kill it for this task's sake
            mover.carries = None
        if done.error is None:
            order.future.set_result(None)
            return
        if done.traceback:
            done.error.add_note(done.traceback)
        order.future.set_exception(done.error)

    def _converse(self, mover: Mover, task: Task, on_report: Callable[[Any], None]) -> Done:
        """Have a mover do a task, and see to what it asks for meanwhile; how it went."""
        mover.send(task)
        with Counter(self._budgets, mover) as counter:
            while not isinstance(message := mover.receive(), Done):
                if isinstance(message, Report):
                    on_report(message.content)
                else:
                    counter.serve(message)
        return message

    def _tries_again(self, order: Order, refusal: Transient, mover: Mover, me: object) -> bool:
        """Whether an order that an endpoint has turned away waits for its next try; the mover has let go of all.

        Not when some of it was done before: whoever gave it knows what is left.
        """
        is_crowded = refusal.is_crowding and self._budgets.refused(refusal.endpoint, me)
        self._orders.has_left(me)
        with self._lock:
            if order.future in self._given_up:
                raise MoverDied
            if self._is_stopping or order.was_heard or not order.wait_and_try_again(is_crowded=is_crowded):
                return False
            mover.carries = None
            self._orders.put(order, first=True)
        return True

    def _sent_home(self, mover: Mover | None, me: object) -> Mover | None:
        """Have a mover let go of its connections; the mover, unless it died of it."""
        try:
            if mover is not None:
                self._converse(mover, Task(_let_go, None), lambda _: None)
            self._orders.has_left(me)
        except MoverDied:
            self._end(mover, me)
            return None
        return mover

    def _start(self) -> Mover:
        """A mover that knows of a stop which was asked for while it started."""
        mover = Mover(Start(dict(self._endpoints), self._budgets.limited))
        with self._lock:
            self._movers.append(mover)
            if self._is_shut_down:
                mover.process.kill()
            elif self._is_stopping:
                _ask_to_stop(mover)
        self._tell_limits()  # they may have changed since
        return mover

    def _end(self, mover: Mover | None, me: object) -> None:
        self._orders.has_left(me)
        if mover is None:
            return
        with self._lock:
            self._movers.remove(mover)
        mover.end()

    def _tell_limits(self) -> None:
        with self._lock:
            movers = list(self._movers)
        for mover in movers:
            with suppress(MoverDied):  # its watcher learns it, too
                mover.send(Limited(self._budgets.limited))

    def _cancel_waiting(self, futures: Collection[Future[None]] | None) -> None:
        """Have all orders with these futures, or simply all, done without anybody carrying them out."""
        for order in self._orders.withdraw(futures):
            if order.future.running():  # it was turned away once
                order.future.set_exception(MoverDied("the batch was given up before it could begin"))
            else:
                _cancel(order.future)


class Leg:
    """The movers of a pool, for work that connects to certain endpoints; see MoverPool."""

    def __init__(self, pool: MoverPool, endpoints: frozenset[str]) -> None:
        self._pool = pool
        self._endpoints = endpoints
        self.size = pool.size
        self.abort = pool.abort

    def submit(self, work: Callable[..., None], job: Any, *, on_report: Callable[[Any], None]) -> Future[None]:
        """See MoverPool.submit."""
        return self._pool.submit(work, job, on_report=on_report, endpoints=self._endpoints)

    def get_ready(self, work: Callable[..., None], job: Any) -> None:
        """See MoverPool.get_ready."""
        self._pool.get_ready(work, job, self._endpoints)


def _stand_by(hands: Hands, job: None) -> None:
    del hands, job


def _let_go(hands: Hands, job: None) -> None:
    del job
    hands.let_go()


def _ask_to_stop(mover: Mover) -> None:
    with suppress(MoverDied):  # its watcher learns it, too
        mover.send(Stop())


def _cancel(future: Future[None]) -> None:
    """Cancel `future` so that also `concurrent.futures.wait` takes it for done."""
    future.cancel()
    future.set_running_or_notify_cancel()
