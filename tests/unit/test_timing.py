"""How long a cutover still takes: what was measured comes before what is added up, and that before what is assumed."""

from __future__ import annotations

import datetime as dt

import pytest

from migrator.domain.acts import TcpCheck
from migrator.domain.plan import Application, SymlinkSwitch, Triple
from migrator.domain.reports import Attempt, RecordedRehearsal, RehearsedStep
from migrator.planning.timing import Measures, cutover, measures, switch, way_back

NOON = dt.datetime(2018, 7, 28, 12, 0, tzinfo=dt.UTC)
FREEZE = Triple("source", ("a",), ("b",), ("c",), 60)
SWITCH = Triple("here", ("a",), ("b",), ("c",), 100)
LINK = SymlinkSwitch("target", b"/l", b"/t", 20)
BEFORE = TcpCheck("h", 1, "before", 1000)
AFTER = TcpCheck("h", 1, "always", 30)
PORTAIL = Application("portail", "o", (), freeze=FREEZE, checks=(BEFORE, AFTER), switches=(SWITCH, LINK))
NOTHING = Measures({}, {})


def attempt(step: str, seconds: float | None, error: str | None = None) -> Attempt:
    return Attempt(step, NOON, None if seconds is None else NOON + dt.timedelta(seconds=seconds), error, "run")


def rehearsal(**seconds: float) -> RecordedRehearsal:
    steps = tuple(RehearsedStep(name.replace("_", "-"), each) for name, each in seconds.items())
    return RecordedRehearsal(NOON, "digest", "versions", "endpoints", steps)


def test_the_longest_success_counts() -> None:
    known = measures([attempt("verify", 10), attempt("verify", 90), attempt("verify", 20)], None)
    assert known.real == {"verify": 90}


def test_what_earlier_tries_had_done_belongs_to_the_one_that_made_it() -> None:
    newest_first = [attempt("verify", 10), attempt("verify", 40, "the link broke"), attempt("verify", 30, "stopped")]
    assert measures(newest_first, None).real == {"verify": 80}


def test_a_failure_alone_says_nothing() -> None:
    assert not measures([attempt("verify", 40, "the link broke")], None).real


def test_an_attempt_that_was_killed_says_nothing() -> None:
    assert measures([attempt("verify", None)], None).real == {}


def test_a_rehearsal_and_the_journal_are_asked_for_the_longer_one() -> None:
    known = measures([attempt("verify", 50), attempt("final-sync", 9)], rehearsal(verify=40, final_sync=20))
    parts = {part.what: (part.seconds, part.basis) for part in cutover(PORTAIL, known).parts}
    assert parts["verify"] == (50.0, "measured before")
    assert parts["final-sync"] == (20.0, "rehearsed")


def test_the_way_back_is_the_sum_of_what_undoes_it() -> None:
    assert way_back(PORTAIL, NOTHING).seconds == 100 + 20 + 60
    assert way_back(PORTAIL, Measures({"roll-back": 7}, {})).seconds == 100 + 20 + 7
    assert way_back(PORTAIL, Measures({}, {"roll-back": 7})).seconds == 180, "a rehearsal thaws nothing"


def test_a_static_application_needs_nothing_to_go_back() -> None:
    need = way_back(Application("files", "o", ()), NOTHING)
    assert (need.seconds, need.words) == (0, "nothing")


def test_a_rehearsed_switch_is_not_a_switch() -> None:
    """Its probes were asked, and nothing was applied: the time-outs of the switches come on top."""
    rehearsed = switch(PORTAIL, measures([], rehearsal(switch_over=5))).seconds
    assert rehearsed == 5 + 120 + 30 + 180
    measured = switch(PORTAIL, measures([attempt("switch-over", 8)], rehearsal(switch_over=5))).seconds
    assert measured == 8 + 30 + 180


def test_what_nobody_measured_is_assumed_and_said_to_be() -> None:
    need = cutover(PORTAIL, NOTHING)
    assert need.seconds == 60 + 600 + 600 + 600 + 120 + 30 + 180
    assert "verify 10 min: assumed" in need.words
    assert "the switches 2 min: time-outs added up" in need.words


@pytest.mark.parametrize(("step", "like"), [("verify", "seed"), ("final-sync", "catch-up")])
def test_a_step_like_it_stands_in(step: str, like: str) -> None:
    parts = {part.what: part for part in cutover(PORTAIL, Measures({like: 33}, {})).parts}
    assert (parts[step].seconds, parts[step].basis) == (33, f"taken to last as long as {like}")


def test_a_final_sync_that_was_rehearsed_right_after_its_seed_says_less_than_a_catch_up() -> None:
    parts = {part.what: part for part in cutover(PORTAIL, Measures({"catch-up": 70}, {"final-sync": 1})).parts}
    assert (parts["final-sync"].seconds, parts["final-sync"].basis) == (70.0, "taken to last as long as catch-up")
    parts = {part.what: part for part in cutover(PORTAIL, Measures({"catch-up": 70}, {"final-sync": 99})).parts}
    assert (parts["final-sync"].seconds, parts["final-sync"].basis) == (99.0, "rehearsed")


def test_checks_before_the_switch_do_not_count_after_it() -> None:
    assert switch(PORTAIL, Measures({"switch-over": 1, "check": 2, "roll-back": 0}, {})).seconds == 1 + 2 + 120
