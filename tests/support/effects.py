"""A journal in memory for effects, which can be cut off."""

from __future__ import annotations

from dataclasses import dataclass

from migrator.domain.events import Event
from migrator.domain.phases import Phase


class PowerCut(BaseException):
    """Stands for the end of the process at this instruction."""


@dataclass
class Record:
    id: int
    verb: str
    answer: str | None = None


class Memory:
    """A journal in memory; `cut_after` ends the process after so many writes."""

    def __init__(self) -> None:
        self.effects: list[tuple[str, Record]] = []
        self.phase: Phase | None = None
        self.marks: dict[str, str] = {}
        self.cut_after: int | None = None

    def _written(self) -> None:
        if self.cut_after is not None:
            self.cut_after -= 1
            if self.cut_after <= 0:
                self.cut_after = None
                raise PowerCut

    def intend(self, effect: str, verb: str, phase: Phase | None = None) -> int:
        self.effects.append((effect, Record(len(self.effects), verb)))
        self.phase = phase or self.phase
        self._written()
        return len(self.effects) - 1

    def confirm(self, effect_id: int, answer: str) -> None:
        self.effects[effect_id][1].answer = answer
        self._written()

    def last_effect(self, effect: str) -> Record | None:
        return next((record for name, record in reversed(self.effects) if name == effect), None)

    def mark(self, name: str, value: str | None) -> None:
        if value is None:
            self.marks.pop(name, None)
        else:
            self.marks[name] = value
        self._written()

    def marked(self, name: str) -> str | None:
        return self.marks.get(name)

    def history(self) -> list[tuple[str, str | None]]:
        return [(record.verb, record.answer) for _, record in self.effects]


def ignore(event: Event) -> None:
    pass
