"""The demo: a wave goes through all phases, by the same functions that the commands call, and says what happens."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from migrator.demo.provider import Provider
from migrator.demo.wave import WAVE, DemoWave, prepare
from migrator.domain.entries import Class
from migrator.domain.events import OnEvent
from migrator.domain.phases import Phase
from migrator.domain.reports import ApplicationReport, PlanReport, WaveReport
from migrator.errors import Incomplete

_SETTLED = frozenset({Class.VERIFIED, Class.EXCLUDED})


class Commands(Protocol):
    """What the demo types, as functions of the plan file and the state folder; the command line hands them in."""

    def plan(self, plan_file: Path, state: Path, on_event: OnEvent) -> PlanReport:
        """`migrator plan PLAN`."""

    def run(self, plan_file: Path, state: Path, on_event: OnEvent, *, until: Phase | None, yes: bool) -> WaveReport:
        """`migrator run PLAN [--until PHASE] [--yes]`; the plan has one wave."""

    def verify(self, plan_file: Path, state: Path, on_event: OnEvent) -> WaveReport:
        """`migrator verify PLAN --full`."""

    def accept(self, plan_file: Path, state: Path, on_event: OnEvent) -> WaveReport:
        """`migrator accept PLAN`."""


def run_demo(commands: Commands, keep: Path | None, show: Callable[[str], None], on_event: OnEvent) -> WaveReport:
    """Take a small wave from `planned` to `accepted` against a provider on the loopback; `show` gets sentences.

    Everything stands in the folder `keep`, or in one that is removed at the end. The report is that of the last
    command; its exit code is 0 only when every application is accepted and every item verified or excluded.
    """
    with _folder(keep) as folder:
        wave = prepare(folder)
        with Provider(wave.served, wave.host_key_file, wave.client_key) as provider:
            wave.write_plan(provider.port, provider.host_key)
            files, size_bytes = wave.count()
            show(
                f"A provider of our own serves {files} files ({size_bytes / 1e6:.1f} MB) over SSH at "
                f"127.0.0.1:{provider.port}: SFTP, no shell."
            )
            report = _Tour(commands, wave, show, on_event).go()
        _say_goodbye(wave, keep, report, show)
        return report


class _Tour:
    """One way through all the phases."""

    def __init__(self, commands: Commands, wave: DemoWave, show: Callable[[str], None], on_event: OnEvent) -> None:
        self._commands = commands
        self._wave = wave
        self._show = show
        self._on_event = on_event

    def go(self) -> WaveReport:
        """The report of the last command: the first that did not exit 0, or `accept`."""
        self._show(f"$ cd {self._wave.folder}")
        self._plan()
        for step in (self._seed, self._catch_up, self._freeze, self._switch_over, self._verify, self._accept):
            report = step()
            if report.exit_code != 0:
                return report
        self._look_through_the_link()
        return _judged(report)

    def _plan(self) -> None:
        self._type("First, what would be done? Nothing is changed.", "plan plan.yaml")
        report = self._commands.plan(self._wave.plan_file, self._wave.state, self._on_event)
        for application in report.applications:
            self._show(f"  {application.name}: {', '.join(application.steps)}")

    def _seed(self) -> WaveReport:
        return self._run("Copy everything while people go on working.", until=Phase.SEEDED)

    def _catch_up(self) -> WaveReport:
        self._wave.save_news("Tuesday: the library opens at nine.")
        return self._run(
            "An employee has added a line to news.txt at the provider. The same command copies what changed.",
            until=Phase.SEEDED,
        )

    def _freeze(self) -> WaveReport:
        self._wave.save_news("Wednesday: no water until noon.")
        report = self._run("One more line. Now the cutover: copy it, then stop writes.", until=Phase.FROZEN, yes=True)
        if report.exit_code == 0 and self._wave.save_news("Thursday: this must not get lost."):
            raise Incomplete("the portal took a write although it is frozen", hint="this is a bug in the demo")
        return report

    def _switch_over(self) -> WaveReport:
        return self._run(
            "An employee tries to save: the portal is read-only. Last changes, proof, then the switch.", yes=True
        )

    def _verify(self) -> WaveReport:
        self._type("Users are at the target. Do both sides still agree, byte for byte?", "verify plan.yaml --full")
        return self._commands.verify(self._wave.plan_file, self._wave.state, self._on_event)

    def _accept(self) -> WaveReport:
        self._type("They do. From now on the target is the truth.", f"accept plan.yaml --wave {WAVE}")
        return self._commands.accept(self._wave.plan_file, self._wave.state, self._on_event)

    def _look_through_the_link(self) -> None:
        """What users see now; read without any part of migrator."""
        seen = (self._wave.link / "news.txt").read_text(encoding="utf-8")
        if seen != self._wave.news.read_text(encoding="utf-8"):
            raise Incomplete("news.txt at the target is not the one at the provider", hint="this is a bug in migrator")
        self._show(f"$ tail -n 1 {self._wave.link.relative_to(self._wave.folder)}/news.txt")
        self._show(f"  {seen.splitlines()[-1]}")

    def _run(self, sentence: str, *, until: Phase | None = None, yes: bool = False) -> WaveReport:
        options = f"{f' --until {until}' if until else ''}{' --yes' if yes else ''}"
        self._type(sentence, f"run plan.yaml --wave {WAVE}{options}")
        return self._commands.run(self._wave.plan_file, self._wave.state, self._on_event, until=until, yes=yes)

    def _type(self, sentence: str, command: str) -> None:
        self._show("")
        self._show(sentence)
        self._show(f"$ migrator {command}")


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """The folder to work in; one of our own is removed at the end."""
    if keep is not None:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="migrator-demo-") as name:
        yield Path(name)


def _judged(report: WaveReport) -> WaveReport:
    """`report`, with an exit code that is 0 only when nothing is left to wish for."""
    if report.exit_code == 0 and not (report.applications and all(map(_is_whole, report.applications))):
        return dataclasses.replace(report, exit_code=Incomplete.exit_code)
    return report


def _is_whole(application: ApplicationReport) -> bool:
    tally = application.tally
    settled = sum(tally.of(state) for state in _SETTLED)
    return application.phase is Phase.ACCEPTED and settled == tally.seen > 0


def _say_goodbye(wave: DemoWave, keep: Path | None, report: WaveReport, show: Callable[[str], None]) -> None:
    show("")
    if report.exit_code != 0:
        show(f"The demo ends early, with exit code {report.exit_code}.")
    if keep is None:
        show("The demo's folder is removed; `migrator demo --keep DIR` keeps it.")
    else:
        show("The provider is gone, everything else stays; look around with:")
        for command in (f"cd {wave.folder}", "cat plan.yaml", "migrator status plan.yaml", "migrator export plan.yaml"):
            show(f"$ {command}")
