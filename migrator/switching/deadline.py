"""A deadline for what has none of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

Result = TypeVar("Result")


class Overdue(TimeoutError):
    """The act did not end in its time; unlike a TimeoutError of its own, which is its answer."""


def within(seconds: float, act: Callable[[], Result]) -> Result:
    """What `act` returns or raises; Overdue when it takes longer, and then it goes on until its own end."""
    outcome: Future[Result] = Future()

    def carry_out() -> None:
        try:
            outcome.set_result(act())
        except BaseException as error:  # noqa: BLE001 - raised where the outcome is waited for
            outcome.set_exception(error)

    # A daemon: what never answers must not keep the process from ending.
    threading.Thread(target=carry_out, name="effect", daemon=True).start()
    if not wait([outcome], seconds).done:
        raise Overdue
    return outcome.result()
