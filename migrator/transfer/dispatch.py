"""Hands batches to the movers, records what they report, and gives a dead mover's rest to another one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field

from migrator.domain.entries import Entry
from migrator.errors import EndpointUnavailable
from migrator.movers.pool import MoverDied
from migrator.transfer.carrying import Batch, Moved, carry
from migrator.transfer.course import Course
from migrator.transfer.landing import Group

BATCH_ITEMS = 1_000
BATCH_BYTES = 16 * 1024 * 1024
_TRIES = 3
_LOOK_SECONDS = 0.5


@dataclass(slots=True)
class _Order:
    """A batch that is out, and what of it has not been reported yet."""

    left: dict[bytes, Entry]
    tries: int = 1
    had_left: int = 0  # when the last try began; a try that got somewhere does not count
    lock: threading.Lock = field(default_factory=threading.Lock)


class Dispatch:
    """Carries entries of one pass. `offer` never waits: what finds no room stays pending in the manifest."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._batch: list[Entry] = []
        self._batch_bytes = 0
        self._orders: dict[Future[None], _Order] = {}

    def offer(self, entries: Sequence[Entry]) -> None:
        """Take files and links to carry, as long as there is room."""
        for entry in entries:
            self._batch.append(entry)
            self._batch_bytes += entry.size
            if len(self._batch) >= BATCH_ITEMS or self._batch_bytes >= BATCH_BYTES:
                self._send_if_room()

    def carry(self, entries: Sequence[Entry]) -> None:
        """Take files and links to carry; waits for room, so that nothing is left over."""
        for entry in entries:
            self._batch.append(entry)
            self._batch_bytes += entry.size
            if len(self._batch) >= BATCH_ITEMS or self._batch_bytes >= BATCH_BYTES:
                self._wait_for(self._room())
                self._send_if_room()

    def drain(self) -> None:
        """Send what is left and wait until everything taken is done; raises the first error of a batch."""
        self._wait_for(self._room())
        self._send_if_room()
        self._wait_for(0)

    def _room(self) -> int:
        # One batch at work and one waiting for each mover keeps them busy and memory flat.
        return 2 * self._course.crossing.pool.size - 1

    def _send_if_room(self) -> None:
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        if not batch:
            return
        if len(self._orders) > self._room():
            self._collect(0)
        if len(self._orders) > self._room():
            return  # it stays pending in the manifest
        self._course.will_write(batch)
        self._send(_Order({entry.path: entry for entry in batch}, had_left=len(batch)))

    def _send(self, order: _Order) -> None:
        def record(report: object) -> None:
            if isinstance(report, Moved):
                self._course.crossing.tell_moved(report.size_bytes)
            elif isinstance(report, Group):
                self._course.record(report)
                with order.lock:
                    for carried in report.carried:
                        order.left.pop(carried.entry.path, None)
                    for stayed in report.stayed:
                        order.left.pop(stayed.path, None)

        batch = Batch(self._course.crossing.way, list(order.left.values()))
        self._orders[self._course.crossing.pool.submit(carry, batch, on_report=record)] = order

    def _wait_for(self, room: int) -> None:
        """Wait until no more than `room` batches are out."""
        while len(self._orders) > room:
            self._collect(_LOOK_SECONDS)
        self._course.crossing.stop.check()

    def _collect(self, seconds: float) -> None:
        done, _ = wait(self._orders, seconds, FIRST_COMPLETED)
        for future in done:
            order = self._orders.pop(future)
            if future.cancelled():
                self._course.crossing.stop.check()
                continue
            error = future.exception()
            if error is not None:
                self._again(order, error)

    def _again(self, order: _Order, error: BaseException) -> None:
        """Send the rest of a batch once more, when its mover or its connection was lost and there is hope."""
        self._course.crossing.stop.check()
        if not isinstance(error, MoverDied | EndpointUnavailable):
            raise error
        order.tries = 1 if len(order.left) < order.had_left else order.tries + 1
        if order.tries > _TRIES:
            raise error
        self._course.crossing.warn(f"{error}; its remaining {len(order.left)} items are carried again")
        order.had_left = len(order.left)
        if order.left:
            self._send(order)

    def abandon(self) -> None:
        """Wait for batches that are out without looking at how they went: another error is on its way up."""
        pending = deque(self._orders)
        while pending:
            future = pending.popleft()
            future.cancel()
        wait(self._orders, timeout=None if not self._orders else 10)
        self._orders.clear()
