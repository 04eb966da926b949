"""What Ctrl-C and SIGTERM do: the first ends everything in good order, the second leaves."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from migrator.domain.events import Note, OnEvent
from migrator.domain.stopping import Stop

# How long commit groups under way get before the movers are cut off; the next run starts from the journal.
_PARK_SECONDS = 7.0

_STOPPING = (signal.SIGINT, signal.SIGTERM)


class _Handler:
    def __init__(
        self, stop: Stop, wind_down: Callable[[], None], cut_off: Callable[[], None], on_event: OnEvent
    ) -> None:
        self._stop = stop
        self._wind_down = wind_down
        self._cut_off = cut_off
        self._on_event = on_event
        self._timers: list[threading.Timer] = []

    def __call__(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._stop.is_asked:
            os._exit(128 + number)
        self._stop.ask(number)
        # Not here: a handler runs between two instructions of a thread that may hold the very lock it would need.
        self._later(0.0, self._begin_to_stop)
        self._later(_PARK_SECONDS, self._cut_off)

    def _begin_to_stop(self) -> None:
        self._on_event(Note("stopping: finishing what is under way; once more to leave at once", None, "warning"))
        self._wind_down()

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, what)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    def cancel(self) -> None:
        for timer in self._timers:
            timer.cancel()


@contextmanager
def stopping(
    stop: Stop, wind_down: Callable[[], None], cut_off: Callable[[], None], on_event: OnEvent
) -> Iterator[None]:
    """While inside: the first signal asks `stop`, then calls `wind_down`, and `cut_off` some seconds later.

    The second signal ends the process within a moment, by its number. Only the main thread may enter.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = _Handler(stop, wind_down, cut_off, on_event)
    before = {number: signal.signal(number, handler) for number in _STOPPING}
    try:
        yield
    finally:
        handler.cancel()
        for number, previous in before.items():
            signal.signal(number, previous)
