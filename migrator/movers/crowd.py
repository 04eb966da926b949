"""How many movers may be at an endpoint at once, when it turns some of them away."""

from __future__ import annotations

import time
from collections.abc import Callable

CALM_SECONDS = 30.0


class Crowd:
    """Any number, until the endpoint refuses one; then half as many as were there, and one more after each calm time.

    Not safe for use from several threads: whoever shares it holds a lock.
    """

    def __init__(self, calm_seconds: float = CALM_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._calm_seconds = calm_seconds
        self._clock = clock
        self._allowed: int | None = None
        self._changed_at = 0.0

    def refused(self, present: int) -> int:
        """One more than `present` was turned away; how many may be there from now on, one at least.

        Several refusals at once are one: whoever was on the way could not know.
        """
        now = self._clock()
        if self._allowed is None or present <= self._allowed:
            self._allowed = max(1, (present + 1) // 2)
        self._changed_at = now
        return self._allowed

    def has_room(self, present: int, most: int) -> bool:
        """Whether one more may go where `present` are; `most` is how many there could ever be."""
        return self._limit(most) > present

    def is_too_many(self, present: int, most: int) -> bool:
        """Whether some of `present` must leave."""
        return self._limit(most) < present

    def _limit(self, most: int) -> int:
        if self._allowed is None:
            return most
        calm_times = int((self._clock() - self._changed_at) / self._calm_seconds)
        if calm_times > 0:
            self._allowed += calm_times
            self._changed_at += calm_times * self._calm_seconds
        if self._allowed >= most:
            self._allowed = None
            return most
        return self._allowed
