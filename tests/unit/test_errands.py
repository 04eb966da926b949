"""Errands: what is given out again, how often, and when it ends. The pool here answers as it is told."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, cast

import pytest

from migrator.domain.stopping import Stop
from migrator.errors import EndpointUnavailable, Incomplete, Interrupted
from migrator.movers.errands import Errand, Errands
from migrator.movers.pool import MoverDied, MoverPool


class Script:
    """A pool whose movers do, one task after the other, what the script says: answer for some paths, then end."""

    size = 2

    def __init__(self, *acts: tuple[int, BaseException | None]) -> None:
        self.acts = list(acts)
        self.jobs: list[list[str]] = []
        self.futures: list[Future[None]] = []
        self.aborted: list[Future[None]] = []

    def submit(self, work: object, job: list[str], *, on_report: Callable[[Any], None]) -> Future[None]:
        del work
        self.jobs.append(job)
        future: Future[None] = Future()
        self.futures.append(future)
        if not self.acts:
            return future  # still at it
        answers, error = self.acts.pop(0)
        for path in job[:answers]:
            on_report(path)
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
        return future

    def abort(self, futures: Iterable[Future[None]]) -> None:
        self.aborted += futures


def errands(script: Script, stop: Stop | None = None, notes: list[str] | None = None) -> Errands:
    heard = [] if notes is None else notes
    return Errands(cast("MoverPool", script), stop or Stop(), heard.append)


def errand(*paths: str) -> Errand:
    return Errand(print, {path.encode(): path for path in paths}, list, lambda path: [path.encode()])


def test_what_a_lost_mover_had_answered_for_is_not_given_out_again() -> None:
    script, notes = Script((2, MoverDied()), (1, None)), list[str]()
    out = errands(script, notes=notes)
    out.send(errand("a", "b", "c"))
    out.finish()
    assert script.jobs == [["a", "b", "c"], ["c"]]
    assert out.has_lost_any
    assert notes == ["a mover was killed; its remaining 1 items are given out again"]


def test_a_mover_lost_after_its_last_answer_costs_nothing() -> None:
    script = Script((2, MoverDied()))
    out = errands(script)
    out.send(errand("a", "b"))
    out.finish()
    assert script.jobs == [["a", "b"]]


@pytest.mark.parametrize("error", [MoverDied(), EndpointUnavailable("gone")])
def test_three_tries_that_got_nowhere_are_enough(error: Exception) -> None:
    script = Script(*[(0, error)] * 9)
    out = errands(script)
    out.send(errand("a"))
    with pytest.raises(type(error)):
        out.finish()
    assert len(script.jobs) == 3


def test_as_long_as_something_is_done_there_is_hope() -> None:
    script = Script(*[(1, MoverDied())] * 9, (1, None))
    out = errands(script)
    out.send(errand(*"abcdefghij"))
    out.finish()
    assert [len(job) for job in script.jobs] == list(range(10, 0, -1))


def test_an_error_that_would_come_again_is_raised_at_once() -> None:
    script = Script((0, Incomplete("the target is full")))
    out = errands(script)
    out.send(errand("a"))
    with pytest.raises(Incomplete, match="full"):
        out.finish()
    assert len(script.jobs) == 1


def test_silence_is_not_an_answer() -> None:
    out = errands(Script((1, None)))
    out.send(errand("a", "b"))
    with pytest.raises(RuntimeError, match="said nothing of 1 items"):
        out.finish()


def test_after_a_stop_the_rest_is_neither_an_error_nor_given_out_again() -> None:
    for act in ((1, None), (1, MoverDied())):
        stop = Stop()
        script = Script(act)
        out = errands(script, stop)
        out.send(errand("a", "b"))
        stop.ask(signal.SIGTERM)
        with pytest.raises(Interrupted):
            out.finish()
        assert len(script.jobs) == 1


def test_room_is_for_one_errand_under_way_and_one_waiting_for_each_mover() -> None:
    out = errands(Script())
    for number in range(4):
        assert out.has_room
        out.send(errand(str(number)))
    assert not out.has_room


def test_nothing_to_do_is_not_sent() -> None:
    script = Script()
    out = errands(script)
    out.send(errand())
    out.finish()
    assert script.jobs == []


def test_giving_up_ends_what_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("migrator.movers.errands._PARTING_SECONDS", 0.01)
    script = Script()
    out = errands(script)
    out.send(errand("a"))
    (future,) = script.futures
    future.set_running_or_notify_cancel()
    out.give_up()
    assert script.aborted == [future]
    out.finish()
