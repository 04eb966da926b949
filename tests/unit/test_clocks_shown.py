"""Windows, the last safe moment to abort, and rehearsals, as people and programs get to see them."""

from __future__ import annotations

import datetime as dt
import io
import json
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from migrator.console.forms import application_form, plan_form, planned_form, wave_form
from migrator.console.output import Output
from migrator.console.pens import pen_for
from migrator.console.people import PersonScreen
from migrator.console.plain import PlainProgress
from migrator.console.progress import LiveProgress
from migrator.console.screen import Look
from migrator.console.wording import countdown_text
from migrator.domain.events import CutoverLimited, StepStarted
from migrator.domain.phases import Phase
from migrator.domain.reports import (
    ApplicationReport,
    CutoverLimit,
    PlannedApplication,
    PlanReport,
    RehearsalReport,
    RehearsedStep,
    Tally,
    WaveReport,
    WaveTimes,
)

NOON = dt.datetime(2018, 7, 28, 12, 0, tzinfo=dt.UTC)
SENTENCE = "last safe moment to abort: Sun 2018-07-29 05:58 Europe/Paris (the way back needs 2 min: rehearsed)"
TIMES = WaveTimes("july", True, None, None, False, None, NOON, "wave `july`: cutover opens Sat")
REHEARSAL = RehearsalReport(NOON, (RehearsedStep("seed", 75.0), RehearsedStep("verify", 8.0)), None)


def limit(left_seconds: float = 754.5) -> CutoverLimit:
    moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=left_seconds)
    return CutoverLimit(moment, moment, moment, moment, SENTENCE)


def standing(phase: Phase = Phase.FROZEN, **more: object) -> ApplicationReport:
    base = ApplicationReport("portal", "july", "eau", phase, None, None, None, None, Tally())
    return replace(base, **{"cutover_limit": limit(), "rehearsal": REHEARSAL, **more})  # type: ignore[arg-type]


def status(report: ApplicationReport) -> str:
    out = io.StringIO()
    screen = PersonScreen(Output(out), Output(io.StringIO()), Look())
    screen.wave(WaveReport("status", (report,), 0, None, times=(TIMES,)))
    return out.getvalue()


def until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(("seconds", "text"), [(750.0, "in 12 min 30 s"), (-61.0, "passed 1 min 1 s ago")])
def test_a_countdown_goes_on_behind_its_end(seconds: float, text: str) -> None:
    assert countdown_text(seconds) == text


def test_status_shows_the_last_safe_moment_the_rehearsal_and_the_hours() -> None:
    shown = status(standing())
    assert f"{SENTENCE}; in 12 min 3" in shown
    assert "holds: seed 1 min 15 s, verify 8.0 s" in shown
    assert "wave `july`: cutover opens Sat" in shown


def test_a_moment_that_has_passed_is_told() -> None:
    assert f"{SENTENCE}; passed 1 min" in status(standing(cutover_limit=limit(-60.4)))


@pytest.mark.parametrize(("phase", "is_shown"), [(Phase.PLANNED, False), (Phase.SEEDED, True), (Phase.VERIFIED, True)])
def test_the_moment_is_shown_once_a_cutover_can_come(phase: Phase, is_shown: bool) -> None:
    assert ("last safe moment" in status(standing(phase))) is is_shown


def test_behind_the_switch_a_rehearsal_is_of_no_interest() -> None:
    assert "rehears" not in status(standing(Phase.SWITCHED_OVER, cutover_limit=None))


def test_a_rehearsal_that_does_not_count_says_why() -> None:
    shown = status(standing(rehearsal=replace(REHEARSAL, expired="the plan changed since")))
    assert "does not count: the plan changed since" in shown
    assert "holds" not in shown


def test_a_plan_shows_both() -> None:
    out = io.StringIO()
    planned = PlannedApplication("portal", "july", "eau", Phase.PLANNED, (), ("seed",), limit())
    report = PlanReport("move", "ab" * 32, None, (), (planned,), (), False, None, times=(TIMES,))
    PersonScreen(Output(out), Output(io.StringIO()), Look()).plan(report)
    assert SENTENCE in out.getvalue()
    assert "wave `july`: cutover opens Sat" in out.getvalue()
    assert planned_form(planned)["cutover_limit"]["sentence"] == SENTENCE
    assert plan_form(report)["times"][0]["cutover_opens_at"] == "2018-07-28T12:00:00.000Z"


def test_programs_get_moments() -> None:
    form = json.loads(json.dumps(application_form(standing(), None)))
    assert set(form["cutover_limit"]) == {"ends_at", "freeze_by", "switch_by", "abort_by", "sentence"}
    assert form["rehearsal"] == {
        "ended_at": "2018-07-28T12:00:00.000Z",
        "holds": True,
        "reason": None,
        "seconds": {"seed": 75.0, "verify": 8.0},
    }
    bare = application_form(standing(cutover_limit=None, rehearsal=None), None)
    assert (bare["cutover_limit"], bare["rehearsal"]) == (None, None)
    (times,) = wave_form(WaveReport("status", (), 0, None, times=(TIMES,)))["times"]
    assert (times["is_open"], times["closes_at"], times["is_cutover_open"]) == (True, None, False)


def limited(left_seconds: float = 754.5) -> CutoverLimited:
    moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=left_seconds)
    return CutoverLimited("portal", moment, moment, moment, SENTENCE)


def test_plain_lines_tell_it_once_and_count_it_down() -> None:
    out = io.StringIO()
    with PlainProgress(Output(out), is_verbose=False, every_seconds=0.05) as progress:
        for step in ("freeze", "final-sync"):
            progress(limited())
            progress(StepStarted("portal", step))
        until(lambda: "last safe moment to abort in 12 min" in out.getvalue())
    assert out.getvalue().count(SENTENCE) == 1


@pytest.mark.parametrize(
    ("left", "text"), [(754.5, "last safe abort in 12 min"), (-60.4, "last safe abort passed 1 min")]
)
def test_a_terminal_counts_it_down(left: float, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with LiveProgress(pen_for(Output(stream), no_color=True), is_verbose=False) as progress:
        progress(limited(left))
        progress(StepStarted("portal", "verify"))
        until(lambda: text in stream.getvalue())
