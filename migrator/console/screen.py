"""Everything a command can show, and the choice of who looks at it: a person, or a program that asked for `--json`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from migrator.domain.entries import Item
from migrator.domain.events import Event
from migrator.domain.reports import Finding, PlanReport, WaveReport
from migrator.domain.rules import Rule
from migrator.errors import MigratorError


@dataclass(frozen=True, slots=True)
class Look:
    """How a command shows things."""

    is_json: bool = False
    is_verbose: bool = False
    no_color: bool = False


class Progress(Protocol):
    """A display that is open for the time of a run; a listener."""

    def __call__(self, event: Event) -> None:
        """Take an event, from any thread; cheap."""

    def say(self, text: str) -> None:
        """Show a sentence to a person."""


class Screen(Protocol):
    """Data goes to stdout, all the rest to stderr. A reader that leaves stops nothing and raises nothing."""

    def progress(self) -> AbstractContextManager[Progress]:
        """The listener for the time of a run."""

    def wave(self, report: WaveReport) -> None:
        """Where the applications stand, and what to type next."""

    def plan(self, report: PlanReport) -> None:
        """What would be done, and what to type next."""

    def findings(self, findings: Sequence[Finding], otherwise: str) -> None:
        """What rules have to say; `otherwise`, too, when none of it is worse than a note."""

    def rules(self, rules: Sequence[Rule]) -> None:
        """The preflight rules by name."""

    def fact(self, name: str, fields: Mapping[str, Any], sentence: str) -> None:
        """One thing that was done: an object called `name`, or a sentence."""

    def failure(self, error: MigratorError) -> None:
        """The error that ends the command."""

    def export(self, rows: Iterable[tuple[str, Item]]) -> None:
        """One JSON line an item; ends quietly when the reader leaves, LocalFault when the disk is full."""

    def page(self, name: str, text: str) -> None:
        """A whole text for people, as it is; for programs an object `name` that holds it. LocalFault: disk full."""

    def next(self, command: str) -> None:
        """The command to type next; nothing for programs."""

    def document(self, text: str) -> None:
        """A whole text, as it is; LocalFault when the disk is full."""

    def close(self) -> None:
        """Warn when data was lost although somebody wanted it; to be called last."""
