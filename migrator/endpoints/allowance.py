"""What one endpoint bears, as whoever speaks to it has to keep to. How it is shared is decided above this package."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Protocol


class Allowance(Protocol):
    """One process's part in the budget of an endpoint. Safe for use from several threads."""

    @property
    def is_limited(self) -> bool:
        """Whether content has to be paid for at the moment; where it has not, `pay` need not be called."""

    def pay(self, size_bytes: int) -> None:
        """Wait until so much content may cross; to be called before it is sent or asked for.

        A negative size gives back what was paid for and did not cross, and never waits.
        """

    def door(self) -> AbstractContextManager[None]:
        """The turn to connect and log in: one at a time. EndpointUnavailable when it does not come in time."""

    def try_again_seconds(self, *, is_crowding: bool) -> float:
        """A connection was refused: for how long it is worth asking again, counted from the first time.

        `is_crowding` says that the server may have too many, so that it depends on whether others of ours are there.
        Zero leaves it to whoever shares the budget out.
        """


class Unlimited:
    """An endpoint that bears anything, and that nobody else speaks to."""

    is_limited = False

    def pay(self, size_bytes: int) -> None:
        """Nothing costs anything."""

    def door(self) -> AbstractContextManager[None]:
        """The door is open."""
        return nullcontext()

    def try_again_seconds(self, *, is_crowding: bool) -> float:
        """As long as an operator has patience with a wrong port."""
        del is_crowding  # nobody else is there
        return PATIENCE_SECONDS


# From its first refusal to its last: with the time that one connection may take, all is known after 30 s.
PATIENCE_SECONDS = 10.0
UNLIMITED = Unlimited()
Allowances = Callable[[str], Allowance]  # by the name of the endpoint


def unlimited(name: str) -> Allowance:
    """An allowance without a limit for any endpoint."""
    del name
    return UNLIMITED


class Joint:
    """The allowances of all endpoints on the way to one: each of them carries every byte."""

    def __init__(self, allowances: Sequence[Allowance]) -> None:
        """`allowances` come in an order that everybody keeps to, so that nobody waits in a circle."""
        self._all = tuple(allowances)

    @property
    def is_limited(self) -> bool:
        """Whether one of them is."""
        return any(each.is_limited for each in self._all)

    def pay(self, size_bytes: int) -> None:
        """Pay each of them."""
        for each in self._all:
            each.pay(size_bytes)

    @contextmanager
    def door(self) -> Iterator[None]:
        """All of their doors."""
        with ExitStack() as stack:
            for each in self._all:
                stack.enter_context(each.door())
            yield

    def try_again_seconds(self, *, is_crowding: bool) -> float:
        """What the most patient of them says: which of them was crowded is not known here."""
        return max(each.try_again_seconds(is_crowding=is_crowding) for each in self._all)
