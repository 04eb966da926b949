"""The pool of movers: real processes that are killed, stopped, and left by their coordinator."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, wait
from pathlib import Path
from typing import Any

import pytest

from migrator.errors import EndpointUnavailable, exit_code_of
from migrator.movers.hands import Hands
from migrator.movers.pool import MoverDied, MoverPool
from tests.support.sshd import descendants, wait_for

SECONDS = 50.0


def say_pid(hands: Hands, job: object) -> None:
    del job
    hands.report(os.getpid())


def say_and_hang(hands: Hands, job: object) -> None:
    """Report and then wait to be killed; the deadline only keeps a failed test from leaving it behind."""
    hands.report((job, os.getpid()))
    time.sleep(60)


def say_until_stopped(hands: Hands, job: object) -> None:
    hands.report((job, os.getpid()))
    deadline = time.monotonic() + 60
    while not hands.should_stop and time.monotonic() < deadline:
        time.sleep(0.005)
    hands.report("committed")


def say_descriptors(hands: Hands, job: object) -> None:
    del job
    hands.report([os.readlink(f"/proc/self/fd/{number}") for number in (0, 1)])


def say_and_wait_for(hands: Hands, path: Path) -> None:
    hands.report("begun")
    wait_for(path.exists, "the coordinator has heard", SECONDS)


def refuse(hands: Hands, job: object) -> None:
    del hands
    raise EndpointUnavailable(f"no way to {job}", hint="look", details=("one", "two"))


def touch_own(hands: Hands, folder: Path) -> None:
    del hands
    (folder / str(os.getpid())).touch()


def stumble(hands: Hands, job: object) -> None:
    del hands
    raise ZeroDivisionError(job)


@pytest.fixture
def pool() -> Iterator[MoverPool]:
    pool = MoverPool(2, {})
    yield pool
    pool.shutdown()
    assert descendants(os.getpid()) == []


def is_alive(pid: int) -> bool:
    return pid in descendants(os.getpid()) or os.path.exists(f"/proc/{pid}/exe")


def test_no_mover_is_started_before_there_is_work(pool: MoverPool) -> None:
    assert descendants(os.getpid()) == []
    pool.submit(say_pid, None, on_report=lambda _: None).result(SECONDS)
    assert len(descendants(os.getpid())) == 1


def test_movers_can_be_ready_before_there_is_work(pool: MoverPool, tmp_path: Path) -> None:
    pool.get_ready()
    wait_for(lambda: len(descendants(os.getpid())) == 2, "both movers stand by", SECONDS)
    pool.get_ready(touch_own, tmp_path)
    wait_for(lambda: any(tmp_path.iterdir()), "they do what they are to do beforehand", SECONDS)
    heard: list[int] = []
    pool.submit(say_pid, None, on_report=heard.append).result(SECONDS)
    assert heard[0] in descendants(os.getpid())
    assert len(descendants(os.getpid())) == 2, "none is started beside them"

    pool.get_ready(touch_own, tmp_path / "missing")  # there is work: nobody is called away from it
    assert not pool.submit(say_pid, None, on_report=heard.append).result(SECONDS)


def test_what_goes_wrong_beforehand_is_left_to_the_work(pool: MoverPool) -> None:
    pool.get_ready(refuse, "the server")
    with pytest.raises(EndpointUnavailable):
        pool.submit(refuse, "the server", on_report=lambda _: None).result(SECONDS)


def test_reports_come_while_the_task_is_still_under_way(pool: MoverPool, tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    # The task ends only because its report was heard before its end.
    future = pool.submit(say_and_wait_for, heard, on_report=lambda _: heard.touch())
    assert future.result(SECONDS) is None


def test_one_mover_serves_task_after_task(pool: MoverPool) -> None:
    pids: list[int] = []
    for _ in range(5):
        pool.submit(say_pid, None, on_report=pids.append).result(SECONDS)
    assert len(set(pids)) <= pool.size


def test_movers_work_side_by_side(pool: MoverPool) -> None:
    begun: list[Any] = []
    futures = [pool.submit(say_until_stopped, number, on_report=begun.append) for number in (1, 2)]
    wait_for(lambda: len(begun) == 2, "both are at work at the same time", SECONDS)
    pool.ask_to_stop()
    wait(futures, SECONDS)


def test_a_killed_mover_fails_its_own_task_alone_and_is_replaced(pool: MoverPool) -> None:
    reports: list[Any] = []
    doomed = pool.submit(say_and_hang, "doomed", on_report=reports.append)
    other = pool.submit(say_until_stopped, "other", on_report=reports.append)
    wait_for(lambda: len(reports) == 2, "both are at work", SECONDS)
    pid = dict(reports)["doomed"]
    os.kill(pid, signal.SIGKILL)

    error = doomed.exception(SECONDS)
    assert isinstance(error, MoverDied)
    assert exit_code_of(error) == 9
    assert error.hint
    assert not other.done()
    pids: list[int] = []
    pool.submit(say_pid, None, on_report=pids.append).result(SECONDS)
    assert pid not in pids
    assert not is_alive(pid), "it must be reaped"


def test_an_error_on_purpose_arrives_with_everything_it_had_to_say(pool: MoverPool) -> None:
    error = pool.submit(refuse, "go", on_report=lambda _: None).exception(SECONDS)
    assert isinstance(error, EndpointUnavailable)
    assert (error.message, error.hint, error.details) == ("no way to go", "look", ("one", "two"))


def test_an_error_by_mistake_arrives_with_the_mover_s_traceback(pool: MoverPool) -> None:
    error = pool.submit(stumble, 7, on_report=lambda _: None).exception(SECONDS)
    assert exit_code_of(error or Exception()) == 1
    assert "ZeroDivisionError: 7" in str(error)
    assert "in stumble" in "".join(getattr(error, "__notes__", ()))


def test_a_report_that_cannot_be_recorded_ends_the_mover(pool: MoverPool) -> None:
    pids: list[int] = []

    def fail(report: tuple[object, int]) -> None:
        pids.append(report[1])
        raise OSError("the journal is full")

    future = pool.submit(say_and_hang, None, on_report=fail)
    with pytest.raises(OSError, match="the journal is full"):
        future.result(SECONDS)
    wait_for(lambda: not is_alive(pids[0]), "it is gone, with what nobody could record", SECONDS)


def test_a_stop_ends_tasks_in_good_order_and_cancels_those_that_wait(pool: MoverPool) -> None:
    reports: list[Any] = []
    running = [pool.submit(say_until_stopped, number, on_report=reports.append) for number in (1, 2)]
    waiting = [pool.submit(say_pid, None, on_report=reports.append) for _ in range(3)]
    wait_for(lambda: len(reports) == 2, "both are at work", SECONDS)
    pool.ask_to_stop()

    assert wait(running + waiting, SECONDS).not_done == set(), "whoever waits for a task must not wait for ever"
    assert [future.result() for future in running] == [None, None]
    assert reports.count("committed") == 2
    assert all(future.cancelled() for future in waiting)
    late = pool.submit(say_pid, None, on_report=reports.append)
    assert wait([late], SECONDS).done == {late}
    with pytest.raises(CancelledError):
        late.result()


def test_shutting_down_is_quick_whatever_is_under_way(pool: MoverPool) -> None:
    reports: list[Any] = []
    futures = [pool.submit(say_and_hang, number, on_report=reports.append) for number in range(5)]
    wait_for(lambda: len(reports) == 2, "both are at work", SECONDS)
    began = time.monotonic()
    pool.shutdown()
    assert time.monotonic() - began < 30
    assert wait(futures, SECONDS).not_done == set()
    assert descendants(os.getpid()) == []
    late = pool.submit(say_pid, None, on_report=reports.append)
    assert wait([late], SECONDS).done == {late}


def test_shutting_down_while_a_mover_starts_leaves_none(pool: MoverPool) -> None:
    futures = [pool.submit(say_and_hang, None, on_report=lambda _: None) for _ in range(2)]
    pool.shutdown()
    assert wait(futures, SECONDS).not_done == set()
    wait_for(lambda: descendants(os.getpid()) == [], "no mover is left", SECONDS)


def test_aborting_ends_only_the_movers_of_those_tasks(pool: MoverPool) -> None:
    reports: list[Any] = []
    aborted = pool.submit(say_and_hang, "aborted", on_report=reports.append)
    other = pool.submit(say_until_stopped, "other", on_report=reports.append)
    wait_for(lambda: len(reports) == 2, "both are at work", SECONDS)
    waiting = pool.submit(say_pid, None, on_report=reports.append)
    pool.abort({aborted, waiting})
    assert isinstance(aborted.exception(0), MoverDied)
    assert not is_alive(dict(reports)["aborted"])
    assert waiting.cancelled()
    assert not other.done()


def test_a_mover_never_holds_the_terminal(pool: MoverPool) -> None:
    found: list[list[str]] = []
    pool.submit(say_descriptors, None, on_report=found.append).result(SECONDS)
    assert found == [["/dev/null", "/dev/null"]]


COORDINATOR = """
import sys, time
from migrator.movers.pool import MoverPool
from tests.integration.test_movers import say_and_hang
pool = MoverPool(2, {})
for number in range(2):
    pool.submit(say_and_hang, number, on_report=lambda report: print(report[1], flush=True))
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_movers_are_gone_when_their_coordinator_is(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", COORDINATOR], stdout=subprocess.PIPE, text=True) as coordinator:
        assert coordinator.stdout is not None
        pids = [int(coordinator.stdout.readline()) for _ in range(2)]
        coordinator.send_signal(number)
        coordinator.wait(SECONDS)
        wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in pids), "the movers leave", SECONDS)


def test_a_signal_to_the_whole_terminal_ends_no_mover(pool: MoverPool) -> None:
    reports: list[Any] = []
    future = pool.submit(say_until_stopped, None, on_report=reports.append)
    wait_for(lambda: len(reports) == 1, "it is at work", SECONDS)
    pid = reports[0][1]
    assert os.getsid(pid) != os.getsid(0)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
    pool.ask_to_stop()
    assert future.result(SECONDS) is None
    assert reports[-1] == "committed"


def test_threads_that_submit_at_once_get_all_their_answers(pool: MoverPool) -> None:
    pids: list[int] = []
    futures: list[Any] = []

    def work() -> None:
        futures.extend(pool.submit(say_pid, None, on_report=pids.append) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wait(futures, SECONDS).not_done == set()
    assert len(pids) == 80
    assert len(set(pids)) == pool.size
