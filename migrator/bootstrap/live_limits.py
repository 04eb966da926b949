"""How a run under way hears of what an operator sets for its endpoints meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from migrator.domain.events import Note, OnEvent
from migrator.domain.reports import LiveLimit
from migrator.errors import MigratorError
from migrator.journal.folder import StateFolder
from migrator.journal.limits import live_limits, run_under_way
from migrator.movers.budget import Budgets

_LOOK_SECONDS = 0.5


@contextmanager
def hearing_of_limits(folder: StateFolder, budgets: Budgets, on_event: OnEvent) -> Iterator[None]:
    """While inside, this is a run under way, and holds what an operator sets meanwhile."""
    with run_under_way(folder):
        watch = _Watch(folder, budgets, on_event)
        watch.start()
        try:
            yield
        finally:
            watch.end()


@dataclass
class _Watch:
    """A thread that looks for limits now and then."""

    folder: StateFolder
    budgets: Budgets
    on_event: OnEvent
    _known: dict[str, LiveLimit] = field(default_factory=dict)
    _complaint: str = ""
    _is_over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._look_on, name="limits", daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._is_over.set()
        self._thread.join()

    def _look_on(self) -> None:
        while not self._is_over.wait(_LOOK_SECONDS):
            try:
                self._look()
            except MigratorError as error:
                self._complain(f"{error}; what was set before still counts")

    def _look(self) -> None:
        for found in live_limits(self.folder):
            if self._known.get(found.endpoint) == found or found.endpoint not in self.budgets:
                continue
            self._known[found.endpoint] = found
            self.budgets.set_rate(found.endpoint, found.bytes_per_second)
            self.on_event(Note(found.sentence))

    def _complain(self, sentence: str) -> None:
        if sentence != self._complaint:  # once, not with every look
            self._complaint = sentence
            self.on_event(Note(sentence, None, "warning"))
