"""Words of the itinerary and moments, as they are typed: text in, objects out, and a hint when that fails."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from migrator.domain.phases import UNTIL, Gate, Phase
from migrator.errors import UsageError


def until_phase(text: str) -> Phase:
    """A phase that `--until` takes; UsageError otherwise."""
    return Phase(_word(text, UNTIL, "phase to stop at"))


def gate(text: str, added: Iterable[str]) -> str:
    """A gate that `approve` takes: one of ours, or one of those that the plan has added; UsageError otherwise."""
    return _word(text, (*Gate, *added), "gate")


def phases_starting(incomplete: str) -> list[str]:
    """For the shell's completion."""
    return [phase.value for phase in UNTIL if phase.value.startswith(incomplete)]


def gates_starting(incomplete: str) -> list[str]:
    """For the shell's completion."""
    return [each.value for each in Gate if each.value.startswith(incomplete)]


def _word(text: str, words: Iterable[str], what: str) -> str:
    known = list(words)
    if text in known:
        return text
    close = difflib.get_close_matches(text, known, n=1)
    hint = f"did you mean `{close[0]}`?" if close else f"one of {', '.join(f'`{word}`' for word in known)}"
    raise UsageError(f"there is no {what} named `{text}`", hint=hint)


def moment(text: str | None, timezone: str, option: str) -> dt.datetime | None:
    """A moment in ISO 8601, in the plan's `timezone` unless it says another; UsageError when it is none."""
    if text is None:
        return None
    try:
        parsed = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"`{option}` takes a date and a time, not `{text}`", hint=f"for instance: {option} 2018-07-07T22:00"
        ) from error
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=ZoneInfo(timezone))
