"""A deadline for what has none of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def within(seconds: float, act: Callable[[], Result]) -> Result:
    """What `act` returns or raises; TimeoutError when it takes longer, and then it goes on until its own end."""
    outcome: Future[Result] = Future()

    def carry_out() -> None:
        try:
            outcome.set_result(act())
        except BaseException as error:  # noqa: BLE001 - raised where the outcome is waited for
            outcome.set_exception(error)

    # A daemon: what never answers must not keep the process from ending.
    threading.Thread(target=carry_out, name="effect", daemon=True).start()
    return outcome.result(seconds)
