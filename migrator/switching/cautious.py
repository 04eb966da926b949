"""The crash-proof way to put an effect in place and to take it back: ask, note the intent, act, ask again, note it.

A crash between two of these is *unknown*, never "failed": the next run asks the probe first and goes on from its
answer. So no `apply` and no `undo` ever runs twice without a probe between.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, NoReturn, Protocol

from migrator import failpoints
from migrator.domain.acts import FREEZE
from migrator.domain.events import EffectNoted, OnEvent
from migrator.domain.phases import Phase
from migrator.errors import Refused
from migrator.switching.effect import Answer, Doubt, Doubting, Effect


class Verb(StrEnum):
    """What is done to an effect."""

    APPLY = "apply"
    UNDO = "undo"


_HINT_UNKNOWN = "look at it by hand: no command acts on it until its probe gives a clear answer"
_NO_CLEAR_ANSWER = Doubt("its probe gave neither yes (exit 0) nor no (exit 1)", _HINT_UNKNOWN)
_HINT_NO_EFFECT = "see what the command and the probe really look at; the same command asks the probe, then tries again"

_GOAL = {Verb.APPLY: Answer.IN_PLACE, Verb.UNDO: Answer.NOT_IN_PLACE}


class EffectRecord(Protocol):
    """What the journal knows of the newest intent for one effect."""

    @property
    def id(self) -> int:
        """The number that `intend` returned."""

    @property
    def verb(self) -> str:
        """`apply` or `undo`."""

    @property
    def answer(self) -> str | None:
        """What the probe said afterwards; None when the run was cut off before that was recorded."""


class Memory(Protocol):
    """The journal of one application, as far as effects need it; every call is durable on return."""

    def intend(self, effect: str, verb: str, phase: Phase | None = None) -> int:
        """Record that `verb` is about to happen, and with it the phase that it begins; the number for `confirm`."""

    def confirm(self, effect_id: int, answer: str) -> None:
        """Record what the probe said afterwards."""

    def last_effect(self, effect: str) -> EffectRecord | None:
        """The newest intent for `effect`."""

    def mark(self, name: str, value: str | None) -> None:
        """Record a small fact; None forgets it."""

    def marked(self, name: str) -> str | None:
        """A fact recorded by `mark`."""


def put_in_place(effect: Effect, memory: Memory, on_event: OnEvent, phase: Phase | None = None) -> None:
    """Return only when the effect's probe says that it is in place, and the journal knows it.

    Its intent and the `phase` that it begins, if any, are recorded as one. Raises Refused when the probe cannot tell,
    or still says no after `apply`; the same call then goes on later.
    """
    answer = _settle(effect, memory, on_event, Verb.APPLY, phase)
    if answer is Answer.IN_PLACE:
        return
    # Before the intent, so that an intent without what undo needs cannot exist. Overwritten only while the effect is
    # not in place: once it is, or our own act was cut off half-way, `prepare` would see our own doing.
    if answer is not Answer.HALF_WAY or memory.last_effect(effect.name) is None:
        memory.mark(_prepared_by(effect), effect.prepare())
    intent = memory.intend(effect.name, Verb.APPLY.value, phase)
    fail_point = "freeze" if effect.name.startswith(FREEZE) else "switch"
    failpoints.at(fail_point)
    effect.apply()
    failpoints.at(fail_point)
    _note(effect, on_event, "apply", "done")
    answer = ask(effect, on_event)
    memory.confirm(intent, answer.value)
    if answer is not Answer.IN_PLACE:
        _refuse(effect, "was applied, but its probe says that it is not in place", _HINT_NO_EFFECT)


def take_back(effect: Effect, memory: Memory, on_event: OnEvent) -> None:
    """Return only when the effect's probe says that it is not in place, and the journal knows it.

    Raises Refused when the probe cannot tell, or still says yes after `undo`; the same call then goes on later.
    """
    if _settle(effect, memory, on_event, Verb.UNDO) is Answer.NOT_IN_PLACE:
        return
    intent = memory.intend(effect.name, Verb.UNDO.value)
    failpoints.at("undo")
    effect.undo(memory.marked(_prepared_by(effect)))
    failpoints.at("undo")
    _note(effect, on_event, "undo", "done")
    answer = ask(effect, on_event)
    memory.confirm(intent, answer.value)
    if answer is not Answer.NOT_IN_PLACE:
        _refuse(effect, "was undone, but its probe says that it is still in place", _HINT_NO_EFFECT)


def ask(effect: Effect, on_event: OnEvent) -> Answer:
    """The probe's answer, yes or no; Refused when it is unknown, since then only a human may decide."""
    answer = effect.probe()
    _note(effect, on_event, "probe", answer.value)
    if answer is Answer.UNKNOWN:
        doubt = effect.doubt if isinstance(effect, Doubting) else None
        sentence, hint = doubt or _NO_CLEAR_ANSWER
        _refuse(effect, f"cannot be probed: {sentence}", hint or _HINT_UNKNOWN)
    return answer


def _settle(effect: Effect, memory: Memory, on_event: OnEvent, verb: Verb, phase: Phase | None = None) -> Answer:
    """What the probe says now; an intent that a crash left open is closed with that, and reaching the goal recorded."""
    answer = ask(effect, on_event)
    last = memory.last_effect(effect.name)
    if last is not None and last.answer is None:
        memory.confirm(last.id, answer.value)
    if answer is not _GOAL[verb]:
        return answer
    is_recorded = last is not None and last.verb == verb and last.answer in (None, answer)
    was_never_applied = last is None and verb is Verb.UNDO
    if not is_recorded and not was_never_applied:
        # Somebody else put it there, or took it away: recorded, so that the journal tells of it.
        memory.confirm(memory.intend(effect.name, verb.value, phase), answer.value)
    return answer


def _prepared_by(effect: Effect) -> str:
    return f"prepared by {effect.name}"


def _note(effect: Effect, on_event: OnEvent, verb: Literal["apply", "probe", "undo"], answer: str) -> None:
    on_event(EffectNoted(effect.application, effect.name, verb, answer))


def _refuse(effect: Effect, what: str, hint: str) -> NoReturn:
    raise Refused(f"{effect.name} of `{effect.application}` {what}", hint=hint)
