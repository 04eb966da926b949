"""Events in words, for the lines that stay on the screen and in the log."""

from __future__ import annotations

from migrator.console.meter import Reading
from migrator.console.wording import count_text, duration_text, printable, range_text, rate_text, size_text
from migrator.domain.entries import Class, display
from migrator.domain.events import (
    CheckMade,
    EffectNoted,
    Event,
    GateWaiting,
    ItemChanged,
    Note,
    RunEnded,
    RunStarted,
    StepEnded,
    StepStarted,
    TargetChanged,
    TargetChanges,
)

# How many items by name an application may put on the screen; the journal has them all.
NAMED_ITEMS = 10
_DONE = {"apply": "applied", "undo": "undone"}
_SILENT_SECONDS = 20.0


class Sentences:
    """Says what an event means, or None when it is not worth a line; `is_verbose` lets more through."""

    def __init__(self, *, is_verbose: bool) -> None:
        self._is_verbose = is_verbose
        self._named: dict[str, int] = {}

    def of(self, event: Event) -> str | None:
        """One line without line end, safe on a terminal."""
        text = self._item(event) if isinstance(event, ItemChanged) else self._other(event)
        return None if text is None else printable(text)

    def _other(self, event: Event) -> str | None:
        if isinstance(event, EffectNoted):
            return self._effect(event)
        if isinstance(event, TargetChanged):
            return self._listed(event, f"{event.what} at the target", event.reason)
        return _always(event) or (_run(event) if self._is_verbose else None)

    def _effect(self, event: EffectNoted) -> str | None:
        if event.verb == "probe" and not self._is_verbose:
            return None
        if event.answer == "done":
            return f"{event.application}: {event.effect} {_DONE.get(event.verb, event.verb)}"
        return f"{event.application}: {event.effect}: {event.verb} says: {event.answer}"

    def _item(self, event: ItemChanged) -> str | None:
        if event.state is not Class.FAILED and not (self._is_verbose and event.reason):
            return None
        return self._listed(event, event.state, event.reason)

    def _listed(self, event: ItemChanged | TargetChanged, what: str, reason: str | None) -> str | None:
        """A line about one item, as long as the application has not had too many of them."""
        named = self._named[event.application] = self._named.get(event.application, 0) + 1
        if named > NAMED_ITEMS and not self._is_verbose:
            return None
        why = f": {reason}" if reason else ""
        more = "; more are not listed here" if named == NAMED_ITEMS and not self._is_verbose else ""
        return f"{event.application}: {what}: {event.dataset}: {display(event.path)}{why}{more}"


def _always(event: Event) -> str | None:
    """What is told without being asked for more, and whatever was told before."""
    if isinstance(event, StepStarted | StepEnded):
        return _step(event)
    if isinstance(event, GateWaiting):
        return f"{event.application}: stops: {event.sentence.removeprefix(f'`{event.application}` ')}"
    if isinstance(event, Note):
        return _note(event)
    if isinstance(event, CheckMade):
        return _check(event)
    return _changes(event) if isinstance(event, TargetChanges) else None


def _run(event: Event) -> str | None:
    if isinstance(event, RunStarted):
        return f"run {event.run_id}: {event.command}: {', '.join(event.applications)}"
    if isinstance(event, RunEnded):
        return f"run {event.run_id} ended with exit code {event.exit_code}"
    return None


def _step(event: StepStarted | StepEnded) -> str:
    if isinstance(event, StepStarted):
        return f"{event.application}: {event.step} started"
    took = duration_text(event.seconds)
    if event.error is None:
        return f"{event.application}: {event.step} done in {took}, now {event.phase}"
    return f"{event.application}: {event.step} failed after {took}, still {event.phase}: {event.error}"


def _check(event: CheckMade) -> str:
    how = "passed" if event.has_passed else f"FAILED: {event.reason}"
    return f"{event.application}: {event.check} {event.moment} the switch {how}"


def _changes(event: TargetChanges) -> str:
    counts = {word: getattr(event, word) for word in ("created", "changed", "deleted", "unknown")}
    said = ", ".join(f"{count_text(count)} {word}" for word, count in counts.items() if count)
    size = f", {size_text(event.size_bytes)}" if event.size_bytes else ""
    return f"{event.application}: at the target since the switch: {said or 'nothing changed'}{size}"


def _note(event: Note) -> str:
    who = f"{event.application}: " if event.application else ""
    return f"{who}{event.sentence}" if event.severity == "note" else f"{event.severity}: {who}{event.sentence}"


def progress_parts(reading: Reading) -> list[str]:
    """How far a step is, most important first: what does not fit may be dropped from the end."""
    parts = [part for part in (_items(reading), _size(reading), _rate(reading), _left(reading)) if part]
    if reading.failed_items:
        parts.insert(0, f"{count_text(reading.failed_items)} FAILED")
    return parts or [duration_text(reading.seconds)]


def _items(reading: Reading) -> str:
    if reading.found_items:
        return f"{count_text(reading.items)} of {count_text(reading.found_items)} items"
    return f"{count_text(reading.scanned_items)} items seen" if reading.scanned_items else ""


def _size(reading: Reading) -> str:
    if not reading.found_bytes:
        return ""
    return f"{size_text(reading.size_bytes)} of {size_text(reading.found_bytes)}"


def _rate(reading: Reading) -> str:
    if not reading.found_items:
        return ""
    if reading.idle_seconds >= _SILENT_SECONDS:
        return f"nothing moved for {duration_text(reading.idle_seconds)}"
    return rate_text(reading.rate.size_bytes) if reading.rate is not None and reading.found_bytes else ""


def _left(reading: Reading) -> str:
    if reading.is_scanning:
        return "still scanning" if reading.left is None or not reading.found_items else _at_least(reading)
    if not reading.found_items or reading.left is None:
        return ""
    left = f"{range_text(*reading.left)} left"
    return left if reading.is_scanning is None else f"{left}, scan ended"


def _at_least(reading: Reading) -> str:
    assert reading.left is not None
    return f"at least {range_text(*reading.left)} left, still scanning"
