"""Moments with a name, at which tests have things fail: `MIGRATOR_FAIL_POINTS=rename:kill:3`.

Nothing happens at them while that variable is not set (docs/decisions/0018-fail-points-are-in-every-build.md).
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable

from migrator.errors import LocalFault, UsageError
from migrator.failpoints import acting
from migrator.failpoints.points import POINTS

__all__ = ["LOG_VARIABLE", "POINTS", "VARIABLE", "at", "hook", "reached", "sent_along", "what_fails"]

VARIABLE = "MIGRATOR_FAIL_POINTS"
LOG_VARIABLE = "MIGRATOR_FAIL_LOG"


def _as_set() -> acting.Failures | None:
    text = os.environ.get(VARIABLE, "")
    if not text:
        return None
    try:
        failures = acting.Failures(text, os.environ.get(LOG_VARIABLE, ""))
    except ValueError as error:
        raise UsageError(f"{VARIABLE}: {error}", hint="`migrator doctor --fail-points` says what there is") from None
    if unknown := failures.points - POINTS.keys():
        raise UsageError(
            f"{VARIABLE}: there is no fail-point `{min(unknown)}`",
            hint="`migrator doctor --fail-points` lists them",
        )
    return failures


_failures = _as_set()


def what_fails() -> str | None:
    """What is to fail in this process, as the variable says it; None, as for every user, when nothing is."""
    return None if _failures is None else _failures.text


def reached(point: str) -> None:
    """Come to a moment at which a disk may be touched; OSError where that is to fail."""
    if _failures is not None:
        _failures.reached(point)


def at(point: str) -> None:
    """Come to a moment of this machine's own work; LocalFault where its disk is to fail."""
    try:
        reached(point)
    except OSError as error:
        raise LocalFault(
            f"this machine failed on purpose at `{point}`: {error.strerror}",
            hint=f"{VARIABLE} is set; without it the same command goes on",
        ) from error


def hook() -> Callable[[str], None] | None:
    """What the agent within this process calls; None when nothing is to fail."""
    return None if _failures is None else _failures.reached


def sent_along() -> bytes:
    """What goes before the program of an agent at a far end, so that it fails as well; nothing when nothing is to."""
    if _failures is None:
        return b""
    told = f"\nFAIL_POINT = Failures({_failures.text!r}, {_failures.log!r}).reached\n"
    return (inspect.getsource(acting) + told).encode()
