"""What a person sees: tables, messages, live and plain progress, and streams that break."""

from __future__ import annotations

import errno
import io
import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from migrator.console.export import write_rows
from migrator.console.output import Output
from migrator.console.pens import pen_for
from migrator.console.people import PersonScreen
from migrator.console.plain import PlainProgress
from migrator.console.progress import LiveProgress
from migrator.console.screen import Look
from migrator.console.sentences import NAMED_ITEMS
from migrator.domain.entries import Class, Item, Kind
from migrator.domain.events import (
    BytesMoved,
    GateWaiting,
    ItemChanged,
    Note,
    ScanProgress,
    StepEnded,
    StepStarted,
    WorkFound,
)
from migrator.domain.phases import Gate, Phase
from migrator.domain.reports import (
    ApplicationReport,
    DatasetForecast,
    Finding,
    PlannedApplication,
    PlanReport,
    Tally,
    WaveReport,
)
from migrator.errors import Complaint, LocalFault, PlanInvalid, Refused


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    """A stream that fails with `number` once it has taken `good` writes."""

    def __init__(self, number: int, good: int = 0) -> None:
        super().__init__()
        self.number = number
        self.good = good

    def write(self, text: str) -> int:
        self.good -= 1
        if self.good < 0:
            raise OSError(self.number, os.strerror(self.number))
        return super().write(text)


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def err() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def screen(out: io.StringIO, err: io.StringIO) -> PersonScreen:
    return PersonScreen(Output(out), Output(err), Look())


def application(name: str, phase: Phase, **more: object) -> ApplicationReport:
    tally = more.pop("tally", Tally({Class.VERIFIED: 5}, {Class.VERIFIED: 4_200}))
    assert isinstance(tally, Tally)
    base = ApplicationReport(name, "july", "eau", phase, None, None, None, None, tally)
    fields = {field: getattr(base, field) for field in ApplicationReport.__slots__} | more
    return ApplicationReport(**fields)


def until(is_true: Callable[[], bool]) -> None:
    """Wait until it is true; fails after ten seconds."""
    deadline = time.monotonic() + 10
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_table_names_the_gate_the_freeze_and_every_class(screen: PersonScreen, out: io.StringIO) -> None:
    tally = Tally(dict.fromkeys(Class, 2), {Class.VERIFIED: 10**9}, foreign=3)
    standing = application(
        "portal", Phase.FROZEN, waits_for="approval of gate `switch-over`", frozen_for_seconds=8000.0, tally=tally
    )
    screen.wave(WaveReport("status", (standing, application("book", Phase.ACCEPTED)), 0, "migrator run p.yaml"))
    shown = out.getvalue()
    assert "FROZEN for 2 h 13 min" in shown
    assert "waits for approval of gate `switch-over`" in shown
    assert "2 failed, 2 pending, 2 acknowledged, 2 vanished, 2 waived, 2 excluded, 3 foreign" in shown
    rows = [line.split() for line in shown.splitlines()]
    assert ["portal", "frozen", "14", "2", "1.0", "GB"] in rows
    assert ["2", "applications", "19", "7", "1.0", "GB"] in rows
    assert shown.endswith("next: migrator run p.yaml\n")


def test_data_goes_to_stdout_and_errors_to_stderr(screen: PersonScreen, out: io.StringIO, err: io.StringIO) -> None:
    failed = application(
        "portal", Phase.SYNCED, error="2 items differ", hint="run again", differences=("files: a\x1b[2J: differs",)
    )
    screen.wave(WaveReport("verify", (failed,), 3, None))
    assert "files: a\\x1b[2J: differs" in out.getvalue()
    assert "error:" not in out.getvalue()
    assert err.getvalue() == "\nerror: portal: 2 items differ\n\nhint: run again\n"


@pytest.mark.parametrize(("code", "hint"), [(4, "hint: `migrator status PLAN`"), (1, "hint: this is a bug")])
def test_an_error_without_a_hint_still_gets_one(screen: PersonScreen, err: io.StringIO, code: int, hint: str) -> None:
    screen.wave(WaveReport("run", (application("portal", Phase.SEEDED, error="no", exit_code=code),), code, None))
    assert err.getvalue().splitlines()[3].startswith(hint)


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_no_name_is_cut_or_broken_at_any_width(columns: int) -> None:
    stream = Terminal()
    pen = pen_for(Output(stream), no_color=True)
    pen.width = columns
    long = "dossier-medical-partage-de-l-hopital-europeen"
    forecast = DatasetForecast(
        "documents", f"legacy:/export/{long}", f"dc18:/srv/{long}", "sftp", "local", 1234567, 10**12, 5, 10, 0, 1
    )
    planned = PlannedApplication(long, "july", "aphp", Phase.PLANNED, (forecast,), ("seed", "gate: freeze", "freeze"))
    screen = PersonScreen(Output(stream), Output(stream), Look(no_color=True))
    screen._data = pen
    screen.plan(PlanReport("paris", "a" * 64, None, (), (planned,), (), is_offline=False, next_command=None))
    screen.wave(WaveReport("status", (application(long, Phase.FROZEN), application("b", Phase.FROZEN)), 0, None))
    shown = stream.getvalue()
    for whole in (f"{long}/documents", f"legacy:/export/{long} (sftp)", f"-> dc18:/srv/{long} (local)", f"  {long}"):
        assert any(whole in line for line in shown.splitlines()), whole
    assert max(map(len, shown.splitlines())) <= columns


def test_a_plan_shows_its_gates_findings_changes_and_what_is_unknown(screen: PersonScreen, out: io.StringIO) -> None:
    forecast = DatasetForecast("files", "old:/a", "new:/b", None, None, None, None, None, None, None, None)
    planned = PlannedApplication("portal", "july", "eau", Phase.SEEDED, (forecast,), ("catch-up", "gate: freeze"))
    findings = (
        Finding("lane", "note", "no times"),
        Finding("space", "error", "too little room", "make room", "portal"),
    )
    screen.plan(
        PlanReport("paris", "a" * 64, "b" * 64, ("target changed",), (planned,), findings, True, "migrator run p.yaml")
    )
    shown = out.getvalue()
    assert "differs from the recorded bbbbbbbbbbbb" in shown
    assert "changed: target changed" in shown
    assert "catch-up, [freeze]" in shown
    assert "No host was contacted" in shown
    assert shown.index("note: no times") < shown.index("error: portal: too little room\n  hint: make room")
    row = next(line for line in shown.splitlines() if line.startswith("portal/files"))
    assert row.split() == ["portal/files", *"??????"]


def test_a_finding_of_many_applications_is_told_once(screen: PersonScreen, out: io.StringIO) -> None:
    names = [f"app-{number}" for number in range(6)]
    findings = [Finding("later", "note", "`closed` is not carried out yet", None, name) for name in names]
    findings += [Finding("later", "note", "application `app-1`: no checks", None, "app-1")]
    screen.findings(findings, "nothing to complain about")
    assert out.getvalue().splitlines() == [
        "note: `closed` is not carried out yet (app-0, app-1, app-2, app-3 and 2 more)",
        "note: application `app-1`: no checks",
        "nothing to complain about",
    ]


def test_an_error_has_its_hint_below_a_blank_line(screen: PersonScreen, err: io.StringIO) -> None:
    screen.failure(Refused("no \x1b[1m[red]way[/red]", hint="go round"))
    assert err.getvalue() == "error: no \\x1b[1m[red]way[/red]\n\nhint: go round\n"


def test_every_complaint_has_its_place(screen: PersonScreen, err: io.StringIO) -> None:
    complaints = (Complaint("p.yaml", 3, 7, "unknown key `wavs`", "did you mean `waves`?"),)
    screen.failure(PlanInvalid("p.yaml: 1 problem", hint="mend it", complaints=complaints))
    first, hint, *_ = err.getvalue().splitlines()
    assert first == "p.yaml:3:7: unknown key `wavs`"
    assert hint == "  hint: did you mean `waves`?"


def test_long_messages_are_not_folded(err: io.StringIO) -> None:
    terminal = Terminal()
    PersonScreen(Output(io.StringIO()), Output(terminal), Look(no_color=True)).failure(Refused("x" * 500, hint="y"))
    assert terminal.getvalue().startswith(f"error: {'x' * 500}\n")


def test_sentences_are_folded_between_words_and_commands_never() -> None:
    terminal = Terminal()
    screen = PersonScreen(Output(io.StringIO()), Output(terminal), Look(no_color=True))
    screen._messages.width = 20
    screen.failure(Refused("several words that need more than a line", hint="type `migrator status plans/p.yaml`"))
    *folded, blank, hint = [line.rstrip() for line in terminal.getvalue().splitlines()]
    assert folded == ["error: several words", "that need more than", "a line"]
    assert (blank, hint) == ("", "hint: type `migrator status plans/p.yaml`")


def test_colours_come_only_where_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def shown(stream: io.StringIO, look: Look) -> str:
        PersonScreen(Output(io.StringIO()), Output(stream), look).failure(Refused("no", hint="yes"))
        return stream.getvalue()

    plain = "error: no\n\nhint: yes\n"
    assert "\x1b[" in shown(Terminal(), Look())
    assert shown(Terminal(), Look(no_color=True)) == plain
    assert shown(io.StringIO(), Look()) == plain
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown(Terminal(), Look()) == plain


def test_plain_lines_tell_steps_and_how_far_they_are(out: io.StringIO) -> None:
    with PlainProgress(Output(out), is_verbose=False, every_seconds=0.05) as progress:
        progress(StepStarted("portal", "seed"))
        progress(ScanProgress("portal", "files", 10, 100, ended=True))
        progress(WorkFound("portal", "files", 10, 100))
        progress(BytesMoved("portal", "files", 50))
        until(lambda: "portal: seed: 0 of 10 items, 50 B of 100 B" in out.getvalue())
        progress(StepEnded("portal", "seed", Phase.CHECKED, 3.0, "the link\nbroke"))
        progress(GateWaiting("portal", Gate.FREEZE, "`portal` waits for the approval of gate `freeze`"))
    assert "portal: seed failed after 3.0 s, still checked: the link\\x0abroke\n" in out.getvalue()
    assert "portal: stops: waits for the approval of gate `freeze`\n" in out.getvalue()
    assert not any(thread.name == "progress lines" for thread in threading.enumerate())


def failures(count: int) -> Iterator[ItemChanged]:
    for number in range(count):
        yield ItemChanged("portal", "files", b"f%d" % number, Kind.FILE, 1, Class.FAILED, None, None, "denied")


@pytest.mark.parametrize(("is_verbose", "named"), [(False, NAMED_ITEMS), (True, 50)])
def test_a_flood_of_failures_does_not_flood_the_screen(out: io.StringIO, is_verbose: bool, named: int) -> None:
    with PlainProgress(Output(out), is_verbose=is_verbose) as progress:
        for event in failures(50):
            progress(event)
    lines = out.getvalue().splitlines()
    assert len(lines) == named
    assert lines[0].endswith("portal: failed: files: f0: denied")
    assert ("more are not listed here" in lines[-1]) is not is_verbose


def test_live_progress_draws_and_leaves_only_what_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    with LiveProgress(pen_for(Output(stream), no_color=True), is_verbose=False) as progress:
        progress(StepStarted("portal", "seed"))
        progress(WorkFound("portal", "files", 10, 100))
        progress(BytesMoved("portal", "files", 50))
        until(lambda: "0 of 10 items, 50 B of 100 B" in stream.getvalue())
        progress(Note("lost [bold]\x1b[2J", "portal", "warning"))
        progress(StepEnded("portal", "seed", Phase.SEEDED, 3.0))
    shown = stream.getvalue()
    assert "warning: portal: lost [bold]\\x1b[2J" in shown
    assert "portal: seed done in 3.0 s, now seeded" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is back
    after = shown[shown.rindex("\x1b[?25h") :]
    assert "items" not in after


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO, errno.ENOSPC])
def test_no_broken_stream_stops_a_run(number: int) -> None:
    broken = Broken(number, good=1)
    screen = PersonScreen(Output(broken), Output(Broken(number)), Look())
    with screen.progress() as progress:
        progress(StepStarted("portal", "seed"))
    screen.wave(WaveReport("run", (application("portal", Phase.FROZEN),), 0, "next"))
    screen.close()


def test_data_that_was_lost_on_a_full_disk_is_told(err: io.StringIO) -> None:
    screen = PersonScreen(Output(Broken(errno.ENOSPC)), Output(err), Look())
    screen.wave(WaveReport("run", (application("portal", Phase.FROZEN),), 0, None))
    screen.close()
    assert err.getvalue() == "warning: the output could not be written: No space left on device\n"


def rows(taken: list[int]) -> Iterator[tuple[str, Item]]:
    for number in range(1000):
        taken.append(number)
        yield "portal", Item("files", b"%d" % number, Kind.FILE, 1, 1, Class.VERIFIED, 1, None, None, None)


def test_export_ends_quietly_when_its_reader_leaves() -> None:
    taken = list[int]()
    write_rows(Output(Broken(errno.EPIPE, good=3)), rows(taken))
    assert taken == [0, 1, 2, 3]


def test_export_to_a_full_disk_is_this_machine_s_fault() -> None:
    with pytest.raises(LocalFault, match="No space left"):
        write_rows(Output(Broken(errno.ENOSPC, good=3)), rows([]))
