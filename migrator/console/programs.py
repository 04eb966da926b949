"""The screen for a program: JSON lines on stdout, and nothing else there; a person may still watch stderr."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from migrator.console.export import write_rows
from migrator.console.forms import application_form, finding_form, plan_form, planned_form, wave_form
from migrator.console.jsonl import JsonLines
from migrator.console.output import Output
from migrator.console.people import PersonScreen, can_draw
from migrator.console.screen import Look, Progress
from migrator.domain.entries import Item
from migrator.domain.events import Event
from migrator.domain.reports import Finding, PlanReport, WaveReport
from migrator.domain.rules import Rule
from migrator.errors import MigratorError, PlanInvalid, exit_code_of


class ProgramScreen:
    """Implements Screen."""

    def __init__(self, out: Output, err: Output, look: Look) -> None:
        self._out = out
        self._lines = JsonLines(out)
        self._person = PersonScreen(out, err, look)
        # Both on one terminal would write over each other.
        self._is_watched = can_draw(err) and not out.isatty()

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """The stream of events, and a live display where somebody watches stderr alone."""
        watching: AbstractContextManager[Progress | None] = (
            self._person.progress() if self._is_watched else nullcontext()
        )
        with watching as display:
            yield _Both(self._lines, display)

    def wave(self, report: WaveReport) -> None:
        """An object an application, one for all, then the end of the run."""
        for application in report.applications:
            self._lines.write("application.report", application_form(application, report.next_command))
        self._lines.write("wave.report", wave_form(report))
        self._lines.close()

    def plan(self, report: PlanReport) -> None:
        """An object an application, one a finding, one for all."""
        for application in report.applications:
            self._lines.write("application.planned", planned_form(application))
        for finding in report.findings:
            self._lines.write("finding", finding_form(finding))
        self._lines.write("plan.report", plan_form(report))

    def findings(self, findings: Sequence[Finding], otherwise: str) -> None:  # noqa: ARG002 - the twin's part
        """An object each."""
        for finding in findings:
            self._lines.write("finding", finding_form(finding))

    def rules(self, rules: Sequence[Rule]) -> None:
        """An object each."""
        for rule in rules:
            fields = {"rule": rule.id, "severity": rule.severity, "can_be_accepted": rule.can_be_accepted}
            self._lines.write("rule", {**fields, "summary": rule.summary})

    def fact(self, name: str, fields: Mapping[str, Any], sentence: str) -> None:  # noqa: ARG002 - the twin's part
        """The object."""
        self._lines.write(name, fields)

    def failure(self, error: MigratorError) -> None:
        """An object a complaint and one for the error, then the end of the run; and words on stderr."""
        for complaint in error.complaints if isinstance(error, PlanInvalid) else ():
            self._lines.write("complaint", complaint._asdict())
        fields = {"message": error.message, "hint": error.hint, "details": error.details}
        self._lines.write("error", {**fields, "exit_code": exit_code_of(error)})
        self._lines.close()
        self._person.failure(error)

    def export(self, rows: Iterable[tuple[str, Item]]) -> None:
        """An object an item, without the frame that events have."""
        write_rows(self._out, rows)

    def page(self, name: str, text: str) -> None:
        """An object with the text."""
        self._lines.write(name, {"text": text})

    def next(self, command: str) -> None:
        """Nothing: it is for hands."""

    def document(self, text: str) -> None:
        """The text, which is JSON already."""
        self._person.document(text)

    def close(self) -> None:
        """Print what still waits, and warn when data was lost."""
        self._lines.close()
        self._person.close()


class _Both:
    """Hands each event to the stream and to the display, when there is one."""

    def __init__(self, lines: JsonLines, display: Progress | None) -> None:
        self._lines = lines
        self._display = display

    def __call__(self, event: Event) -> None:
        self._lines(event)
        if self._display is not None:
            self._display(event)

    def say(self, text: str) -> None:
        if self._display is not None:
            self._display.say(text)
