"""A rate is held as the sum over all who take from it, in turns, and can be changed while they wait."""

from __future__ import annotations

import threading
import time

import pytest

from migrator.movers.pacing import Pacer
from migrator.movers.purse import Purse

SECONDS = 20.0


class Takers:
    """Threads that take as much as they can from one pacer until they are told to end."""

    def __init__(self, pacer: Pacer, count: int) -> None:
        self.taken: list[list[tuple[float, int]]] = [[] for _ in range(count)]
        self._pacer = pacer
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._take, args=(taken,)) for taken in self.taken]

    def work(self, seconds: float) -> None:
        for thread in self._threads:
            thread.start()
        self._is_over.wait(seconds)
        self._is_over.set()
        for thread in self._threads:
            thread.join(SECONDS)

    def _take(self, taken: list[tuple[float, int]]) -> None:
        while not self._is_over.is_set():
            size_bytes = self._pacer.take(1 << 30)
            taken.append((time.monotonic(), size_bytes))


@pytest.mark.parametrize("count", [1, 5])
def test_the_sum_over_all_is_the_rate_and_everybody_gets_a_share(count: int) -> None:
    rate = 2_000_000
    takers = Takers(Pacer(rate), count)
    takers.work(2.0)
    turns = sorted(turn for taken in takers.taken for turn in taken)
    seconds = turns[-1][0] - turns[0][0]
    total = sum(size for _, size in turns)
    assert total <= rate * seconds * 1.05 + 0.15 * rate
    assert total >= rate * seconds * 0.95
    shares = [sum(size for _, size in taken) for taken in takers.taken]
    assert min(shares) > 0.5 * max(shares)
    for start, _ in turns:
        assert sum(size for at, size in turns if start <= at < start + 0.25) <= 0.5 * rate, "a burst"


def test_who_asks_for_little_gets_no_more() -> None:
    assert Pacer(1_000_000).take(7) == 7


def test_without_a_rate_nobody_waits() -> None:
    assert Pacer(None).take(1 << 40) == 1 << 40


@pytest.mark.parametrize("new_rate", [None, 1_000_000_000])
def test_a_new_rate_counts_at_once_for_whoever_waits(new_rate: int | None) -> None:
    pacer = Pacer(1)
    pacer.take(1)  # the next turn is a second away
    pacer.take(1)
    began = time.monotonic()
    threading.Timer(0.1, pacer.set_rate, (new_rate,)).start()
    for _ in range(20):
        pacer.take(10)
    assert time.monotonic() - began < 50, "at the old rate it takes three minutes"


def test_what_was_taken_at_a_high_rate_is_not_paid_off_at_a_low_one() -> None:
    pacer = Pacer(10_000_000_000)
    pacer.take(1 << 40)
    pacer.set_rate(1000)
    began = time.monotonic()
    pacer.take(1)
    pacer.take(1)
    assert time.monotonic() - began < 50


def test_a_purse_pays_in_bulk_and_what_is_given_back_is_spent_first() -> None:
    asked: list[int] = []

    def take(size_bytes: int) -> int:
        asked.append(size_bytes)
        return min(size_bytes, 100_000)

    purse = Purse(take)
    purse.pay(250_000)
    assert asked == [250_000, 150_000, 65_536]
    purse.pay(-500_000)
    purse.pay(500_000)
    assert len(asked) == 3
