"""The screen for a person: tables, live progress, plain words."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from migrator.console.export import write_rows
from migrator.console.messages import labelled, show, show_failure, show_findings, show_next
from migrator.console.output import Output
from migrator.console.pens import pen_for
from migrator.console.plain import PlainProgress
from migrator.console.plan_tables import show_plan, show_rules
from migrator.console.progress import LiveProgress
from migrator.console.screen import Look, Progress
from migrator.console.tables import show_wave
from migrator.console.wording import printable
from migrator.domain.entries import Item
from migrator.domain.reports import Finding, PlanReport, WaveReport
from migrator.domain.rules import Rule
from migrator.errors import MigratorError


class PersonScreen:
    """Implements Screen."""

    def __init__(self, out: Output, err: Output, look: Look) -> None:
        self._out = out
        self._err = err
        self._look = look
        self._data = pen_for(out, no_color=look.no_color)
        self._messages = pen_for(err, no_color=look.no_color)

    def progress(self) -> AbstractContextManager[Progress]:
        """Live where the terminal can move its cursor, plain lines otherwise."""
        if can_draw(self._err):
            return LiveProgress(self._messages, is_verbose=self._look.is_verbose)
        return PlainProgress(self._err, is_verbose=self._look.is_verbose)

    def wave(self, report: WaveReport) -> None:
        """A table; errors of single applications on stderr."""
        show_wave(self._data, self._messages, report)

    def plan(self, report: PlanReport) -> None:
        """Tables."""
        show_plan(self._data, report)

    def findings(self, findings: Sequence[Finding], otherwise: str) -> None:
        """A line each; `otherwise` below them when none is worse than a note."""
        show_findings(self._data, findings)
        if all(finding.severity == "note" for finding in findings):
            show(self._data, otherwise)

    def rules(self, rules: Sequence[Rule]) -> None:
        """A table."""
        show_rules(self._data, rules)

    def fact(self, name: str, fields: Mapping[str, Any], sentence: str) -> None:  # noqa: ARG002 - the twin's part
        """The sentence."""
        show(self._data, printable(sentence))

    def failure(self, error: MigratorError) -> None:
        """`error:`, a blank line, `hint:`."""
        show_failure(self._messages, error)

    def export(self, rows: Iterable[tuple[str, Item]]) -> None:
        """JSON lines, as for everybody."""
        write_rows(self._out, rows)

    def page(self, name: str, text: str) -> None:  # noqa: ARG002 - the twin's part
        """The text."""
        self.document(text.rstrip("\n"))

    def next(self, command: str) -> None:
        """The command."""
        show_next(self._data, command)

    def document(self, text: str) -> None:
        """The text."""
        self._out.line(text)
        self._out.require_complete()

    def close(self) -> None:
        """Warn when data was lost."""
        if (loss := self._out.take_loss()) is not None:
            show(self._messages, labelled("warning", loss))


def can_draw(output: Output) -> bool:
    """Whether `output` is a terminal on which a line can be drawn again."""
    return output.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
