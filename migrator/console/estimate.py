"""How long the rest of a pass takes: a range, because rates vary, and because bytes and files cost differently."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

# A short look back follows changes, a long one smooths them; the truth lies between the two.
_SHORT_SECONDS = 10.0
_LONG_SECONDS = 60.0
# No forecast is better than this share, however even the rate was.
_MARGIN = 0.15


class Sample(NamedTuple):
    """How far a pass had come at one moment (monotonic seconds)."""

    at: float
    size_bytes: int
    items: int


class Rate(NamedTuple):
    """Bytes and items a second over one look back."""

    size_bytes: float
    items: float


class Range(NamedTuple):
    """Seconds, from and to."""

    low: float
    high: float


class Pace:
    """The samples of the last minute; not safe for use from several threads."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque()

    def add(self, sample: Sample) -> None:
        """Take a sample; call it a few times a second at most."""
        self._samples.append(sample)
        while sample.at - self._samples[0].at > _LONG_SECONDS:
            self._samples.popleft()

    def rates(self) -> tuple[Rate, ...]:
        """The short and the long look back; empty while there is nothing to compare."""
        return tuple(rate for rate in (self._over(_SHORT_SECONDS), self._over(_LONG_SECONDS)) if rate is not None)

    def _over(self, seconds: float) -> Rate | None:
        if not self._samples:
            return None
        last = self._samples[-1]
        first = next(sample for sample in self._samples if last.at - sample.at <= seconds)
        elapsed = last.at - first.at
        if elapsed <= 0:
            return None
        return Rate((last.size_bytes - first.size_bytes) / elapsed, (last.items - first.items) / elapsed)

    def idle_seconds(self) -> float:
        """How long nothing has moved, as far as the samples reach back."""
        if not self._samples:
            return 0.0
        last = self._samples[-1]
        same = [sample.at for sample in self._samples if sample[1:] == last[1:]]
        return last.at - same[0]


def time_left(left_bytes: int, left_items: int, rates: tuple[Rate, ...]) -> Range | None:
    """The range of seconds for what is left; None when nothing moves or too little is known."""
    if left_bytes <= 0 and left_items <= 0:
        return Range(0.0, 0.0)
    candidates = [
        left / speed
        for rate in rates
        for left, speed in ((left_bytes, rate.size_bytes), (left_items, rate.items))
        if left > 0 and speed > 0
    ]
    if not candidates:
        return None
    return Range(min(candidates) * (1 - _MARGIN), max(candidates) * (1 + _MARGIN))
