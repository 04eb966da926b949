"""The wish to stop, as everything that loops asks for it."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from migrator.errors import Interrupted, MigratorError


def utc_now() -> dt.datetime:
    """The time of this machine's clock, in UTC."""
    return dt.datetime.now(dt.UTC)


class Stop:
    """Set once by the first signal; every loop checks it between two safe points."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._signal_number = 0

    def ask(self, signal_number: int) -> None:
        """Ask everything to end in good order."""
        self._signal_number = signal_number
        self._event.set()

    @property
    def is_asked(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise Interrupted when somebody asked."""
        if self._event.is_set():
            raise Interrupted(self._signal_number)

    def check_time(self) -> None:
        """Raise when a time that was set is over; here, none is. For waits that a request to stop ends otherwise."""

    def lift(self) -> None:
        """Forget a time that was set, for what must be finished whatever the hour; here, none is."""

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until somebody asks; whether somebody did."""
        return self._event.wait(seconds)


class Curfew(Stop):
    """The Stop of one application that also ends its work at a moment, if one was set."""

    def __init__(self, stop: Stop, clock: Callable[[], dt.datetime] = utc_now) -> None:
        super().__init__()
        self._stop = stop
        self._clock = clock
        self._ends_at: dt.datetime | None = None
        self._over: Callable[[], MigratorError] | None = None

    @contextmanager
    def until(self, ends_at: dt.datetime | None, over: Callable[[], MigratorError]) -> Iterator[None]:
        """While inside, `check` raises what `over` makes from `ends_at` on; None never comes."""
        self._ends_at, self._over = ends_at, over
        try:
            yield
        finally:
            self.lift()

    def ask(self, signal_number: int) -> None:
        """Ask everything to end, other applications too."""
        self._stop.ask(signal_number)

    @property
    def is_asked(self) -> bool:
        """Whether somebody asked."""
        return self._stop.is_asked

    def check(self) -> None:
        """Raise Interrupted when somebody asked, or the error of the moment that has come."""
        self._stop.check()
        self.check_time()

    def check_time(self) -> None:
        """Raise the error of the moment that has come."""
        if self._ends_at is not None and self._over is not None and self._clock() >= self._ends_at:
            raise self._over()

    def lift(self) -> None:
        """Forget the moment that was set."""
        self._ends_at = self._over = None

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until somebody asks; whether somebody did."""
        return self._stop.wait(seconds)
