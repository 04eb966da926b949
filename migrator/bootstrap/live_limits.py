"""The bandwidth that a run under way holds: by the plan and its timetable, or as an operator sets it meanwhile."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from migrator.domain.events import Note, OnEvent
from migrator.domain.plan import Plan
from migrator.domain.reports import LiveLimit
from migrator.domain.timetable import rate_at
from migrator.errors import MigratorError
from migrator.journal.folder import StateFolder
from migrator.journal.limits import live_limits, run_under_way
from migrator.movers.budget import Budgets

_LOOK_SECONDS = 0.5


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@contextmanager
def holding_rates(
    plan: Plan,
    folder: StateFolder,
    budgets: Budgets,
    on_event: OnEvent,
    now: Callable[[], dt.datetime] = _now,
) -> Iterator[None]:
    """While inside, this is a run under way; it holds the plan's rates, and what an operator sets goes before them."""
    with run_under_way(folder):
        watch = _Watch(plan, folder, budgets, on_event, now)
        watch.start()
        try:
            yield
        finally:
            watch.end()


@dataclass
class _Watch:
    """A thread that looks at the clock, and for what was set, now and then."""

    plan: Plan
    folder: StateFolder
    budgets: Budgets
    on_event: OnEvent
    now: Callable[[], dt.datetime]
    _set: dict[str, LiveLimit] = field(default_factory=dict)
    _planned: dict[str, int | None] = field(default_factory=dict)
    _complaint: str = ""
    _is_over: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self._planned = {spec.name: spec.limits.bandwidth for spec in self.plan.endpoints}
        self._go_by_the_plan()  # before anything is sent
        self._thread = threading.Thread(target=self._look_on, name="limits", daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._is_over.set()
        self._thread.join()

    def _look_on(self) -> None:
        while not self._is_over.wait(_LOOK_SECONDS):
            self._go_by_the_plan()
            try:
                self._look()
            except MigratorError as error:
                self._complain(f"{error}; what was set before still counts")

    def _go_by_the_plan(self) -> None:
        now = self.now()
        for spec in self.plan.endpoints:
            rate = rate_at(self.plan, spec, now)
            if rate == self._planned[spec.name]:
                continue
            self._planned[spec.name] = rate
            if spec.name not in self._set:
                self.budgets.set_rate(spec.name, rate)
                words = "any rate" if rate is None else f"{rate / 1e6:g} MB/s"
                self.on_event(Note(f"endpoint `{spec.name}`: {words} from now on, by the plan's timetable"))

    def _look(self) -> None:
        for found in live_limits(self.folder):
            if self._set.get(found.endpoint) == found or found.endpoint not in self.budgets:
                continue
            self._set[found.endpoint] = found
            self.budgets.set_rate(found.endpoint, found.bytes_per_second)
            self.on_event(Note(found.sentence))

    def _complain(self, sentence: str) -> None:
        if sentence != self._complaint:  # once, not with every look
            self._complaint = sentence
            self.on_event(Note(sentence, None, "warning"))
