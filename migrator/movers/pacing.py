"""How much content may cross an endpoint a second, shared in turns by everybody who sends or asks for some."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

# One turn is worth so much of the rate: short enough to be smooth, long enough to cost nothing.
_TURN_SECONDS = 0.05
# What was not used lately may be used up at once, so that nothing is lost to the rhythm of a busy machine.
_SAVED_SECONDS = 0.1


class Pacer:
    """A rate, held as the sum over all who take from it, each in turn. Safe for use from several threads."""

    def __init__(self, bytes_per_second: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._rate = bytes_per_second
        self._balance = 0.0  # below nothing: what was taken ahead of its time
        self._counted_at = clock()
        self._queue: deque[object] = deque()

    @property
    def rate(self) -> int | None:
        """Bytes a second; None where there is no limit."""
        return self._rate

    def set_rate(self, bytes_per_second: int | None) -> None:
        """Hold another rate from now on; whoever waits goes by it, too."""
        with self._changed:
            self._rate = bytes_per_second
            self._balance, self._counted_at = 0.0, self._clock()
            self._changed.notify_all()

    def take(self, wanted_bytes: int) -> int:
        """Wait for a turn; how much of `wanted_bytes` may cross now, one byte at least.

        A turn is over when the rate has paid for it, so that the wait is as long as the queue and no longer.
        """
        me = object()
        with self._changed:
            self._queue.append(me)
            try:
                while (seconds := self._seconds_until_turn(me)) != 0:
                    self._changed.wait(seconds)
                if self._rate is None:
                    return wanted_bytes
                granted = min(wanted_bytes, max(1, int(self._rate * _TURN_SECONDS)))
                self._balance -= granted
                return granted
            finally:
                self._queue.remove(me)
                self._changed.notify_all()

    def _seconds_until_turn(self, who: object) -> float | None:
        """0 when it is their turn; None as long as others are before them."""
        if self._rate is None:
            return 0
        if self._queue[0] is not who:
            return None
        now = self._clock()
        earned = (now - self._counted_at) * self._rate
        self._balance = min(self._balance + earned, self._rate * _SAVED_SECONDS)
        self._counted_at = now
        return max(0.0, -self._balance / self._rate)
