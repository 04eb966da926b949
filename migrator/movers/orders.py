"""The tasks that wait for a mover, and which mover may take which, so that no endpoint is crowded."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from migrator.endpoints.allowance import PATIENCE_SECONDS
from migrator.movers.budget import CROWDED_SECONDS, Budgets
from migrator.movers.messages import Task

_LOOK_SECONDS = 0.25
_JITTER_SECONDS = (0.3, 1.5)


@dataclass(eq=False)
class Order:
    """A task, who hears of it, and the endpoints it needs connections to."""

    task: Task
    on_report: Callable[[Any], None]
    future: Future[None]
    endpoints: frozenset[str] = frozenset()
    refused_at: float | None = None  # when it was first turned away at one of them
    not_before: float = 0.0
    was_heard: bool = False  # since it was taken

    def hear(self, report: Any) -> None:
        """Hand on a report of the mover."""
        self.was_heard = True
        self.on_report(report)

    def wait_and_try_again(self, *, is_crowded: bool) -> bool:
        """It was turned away: give it a moment of its own; False when that has gone on for too long."""
        now = time.monotonic()
        self.refused_at = self.refused_at or now
        self.not_before = now + random.uniform(*_JITTER_SECONDS)  # noqa: S311 - no secret
        return self.not_before < self.refused_at + (CROWDED_SECONDS if is_crowded else PATIENCE_SECONDS)


class Sign(Enum):
    """What a mover is told instead of a task."""

    LEAVE = auto()  # let go of all connections: others need the room
    END = auto()  # nothing more will come


class Orders:
    """A queue in which a task that cannot be begun yet holds up no other. Safe for use from several threads."""

    def __init__(self, budgets: Budgets, most_movers: int) -> None:
        self._budgets = budgets
        self._most = most_movers
        self._changed = threading.Condition()
        self._queue: deque[Order] = deque()
        self._is_over = False

    def put(self, order: Order, *, first: bool = False) -> None:
        """Take an order in, behind the others or before them."""
        with self._changed:
            (self._queue.appendleft if first else self._queue.append)(order)
            self._changed.notify_all()

    def take(self, mover: object) -> Order | Sign:
        """Wait for what `mover` is to do next."""
        with self._changed:
            while not self._is_over:
                found = self._next(mover)
                if found is not None:
                    return found
                # Not for ever: an endpoint that has been calm for some time bears more, and nobody tells.
                self._changed.wait(_LOOK_SECONDS)
            return Sign.END

    def has_left(self, mover: object) -> None:
        """`mover` has let go of all its connections, or is gone."""
        self._budgets.has_left(mover)
        with self._changed:
            self._changed.notify_all()

    def withdraw(self, futures: Collection[Future[None]] | None = None) -> list[Order]:
        """Take the orders with these futures out of the queue, or all of them."""
        with self._changed:
            out = [order for order in self._queue if futures is None or order.future in futures]
            self._queue = deque(order for order in self._queue if order not in out)
            return out

    def end(self) -> None:
        """Send everybody home."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _next(self, mover: object) -> Order | Sign | None:
        if self._budgets.must_leave(mover, self._most):
            return Sign.LEAVE
        now = time.monotonic()
        ready = [order for order in self._queue if order.not_before <= now]
        for order in ready:
            if self._budgets.may_go(mover, order.endpoints, self._most):
                self._queue.remove(order)
                return order
        # What is left is held up by movers that are where it must go: by this one, too?
        is_in_the_way = any(self._budgets.is_at(mover, order.endpoints) for order in ready)
        return Sign.LEAVE if is_in_the_way or self._budgets.is_wanted_back(mover) else None
