"""Where a mover that works is given its part of the budgets, by the thread of the coordinator that watches it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from migrator.movers.budget import Budgets
from migrator.movers.door import Door
from migrator.movers.messages import Answer, Ask, Entered, Knock
from migrator.movers.mover import Mover


class Counter:
    """Serves one mover during one task; gives back what the mover holds, should it be lost meanwhile."""

    def __init__(self, budgets: Budgets, mover: Mover) -> None:
        self._budgets = budgets
        self._mover = mover
        self._entering: dict[str, Door] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for door in self._entering.values():
            door.leave()

    def serve(self, message: Ask | Knock | Entered) -> None:
        """Do as the mover asks; it waits for the answer, and so does this."""
        if isinstance(message, Entered):
            self._entering.pop(message.endpoint).leave()
            return
        budget = self._budgets[message.endpoint]
        if isinstance(message, Ask):
            self._mover.send(Answer(budget.pacer.take(message.size_bytes)))
            return
        has_entered = budget.door.enter(lambda: self._mover.is_gone)
        if has_entered:
            self._entering[message.endpoint] = budget.door
        self._mover.send(Answer(int(has_entered)))
