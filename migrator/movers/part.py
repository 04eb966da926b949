"""A mover's part in the budgets of the endpoints: it asks the coordinator over its pipe, and waits for the answer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from migrator.endpoints.allowance import Allowance
from migrator.movers.budget import too_long_at_the_door
from migrator.movers.messages import Answer, Ask, Entered, Knock
from migrator.movers.purse import Purse


class Desk:
    """Where the coordinator's answers arrive. Several threads may ask, one at a time."""

    def __init__(self, say: Callable[[Ask | Knock | Entered], None]) -> None:
        self.say = say
        self.limited: frozenset[str] = frozenset()  # endpoints with a rate to hold
        self.is_stopping = False
        self._asking = threading.Lock()
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()

    def take_in(self, answer: Answer) -> None:
        """Hand an answer to whoever waits for it; called by the thread that listens."""
        self._answers.put(answer)

    def ask(self, question: Ask | Knock) -> int:
        """What the coordinator answers; whoever waits longer than it lives ends with it."""
        with self._asking:
            self.say(question)
            return self._answers.get().granted

    def allowance(self, endpoint: str) -> Allowance:
        """This mover's part in the budget of an endpoint."""
        return MoverAllowance(self, endpoint)


class MoverAllowance:
    """See Allowance. A mover that is asked to stop waits for nothing more: what it has begun is little."""

    def __init__(self, desk: Desk, endpoint: str) -> None:
        self._desk = desk
        self._endpoint = endpoint
        self._purse = Purse(self._granted)

    @property
    def is_limited(self) -> bool:
        """Whether there is a rate to hold."""
        return self._endpoint in self._desk.limited

    def pay(self, size_bytes: int) -> None:
        """Wait until so much content may cross."""
        if self.is_limited:
            self._purse.pay(size_bytes)

    @contextmanager
    def door(self) -> Iterator[None]:
        """The turn to log in."""
        if not self._desk.ask(Knock(self._endpoint)):
            raise too_long_at_the_door(self._endpoint)
        try:
            yield
        finally:
            self._desk.say(Entered(self._endpoint))

    def try_again_seconds(self, *, is_crowding: bool) -> float:
        """Not at all: the coordinator gives the batch out again when there is room."""
        del is_crowding  # it is told with the error
        return 0.0

    def _granted(self, size_bytes: int) -> int:
        return size_bytes if self._desk.is_stopping else self._desk.ask(Ask(self._endpoint, size_bytes))
