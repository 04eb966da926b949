"""What an endpoint bears, held over real connections by real movers."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from migrator.domain.entries import Entry, Kind
from migrator.domain.plan import EndpointSpec, Limits, Location
from migrator.errors import EndpointUnavailable
from migrator.movers.budget import Budgets
from migrator.movers.hands import Hands
from migrator.movers.pool import MoverPool
from migrator.steps.hosts import Hosts
from migrator.transfer.course import Course
from migrator.transfer.passing import copy_pass
from migrator.verification.verifying import verify
from tests.support.crossings import Ferry, ferry
from tests.support.doorman import Doorman, doorman
from tests.support.moves import give
from tests.support.sshd import Account, ClientKey, Setup, Sshd, running_sshd, wait_for
from tests.support.trees import differences

SECONDS = 60.0
Lane = Literal["sftp", "agent"]


class Meter:
    """What a pool's budgets grant at one endpoint, and when."""

    def __init__(self, pool: MoverPool, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.grants: list[tuple[float, int]] = []
        pacer = pool._budgets[endpoint].pacer
        take = pacer.take

        def metered(wanted_bytes: int) -> int:
            granted = take(wanted_bytes)
            self.grants.append((time.monotonic(), granted))
            return granted

        monkeypatch.setattr(pacer, "take", metered)

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.grants)

    @property
    def seconds(self) -> float:
        return self.grants[-1][0] - self.grants[0][0]


def plant(source: Path, size_bytes: int) -> int:
    """Small and larger files of about so many bytes; how many exactly."""
    sizes = [3_000] * (size_bytes // 4 // 3_000) + [size_bytes // 4] * 3
    for number, size in enumerate(sizes):
        path = source / f"{number % 7}" / f"{number}"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(os.urandom(size))
        os.utime(path, (1_530_000_000, 1_530_000_000))  # what was written this second would be read twice over SFTP
    return sum(sizes)


@pytest.fixture
def loaded(tmp_path: Path, ground: Path, sshd: Sshd) -> Iterator[Callable[..., Ferry]]:
    """Makes a ferry from a planted source behind the server, with so many movers."""
    opened = []

    def make(lane: Lane, rate: int | None, size_bytes: int, movers: int) -> Ferry:
        plant(ground / "source", size_bytes)
        give(ground, sshd.setup.account)
        spec = replace(sshd.endpoint("openssh", "old"), lane=lane, limits=Limits(8, rate))
        context = ferry(tmp_path, ground / "source", spec, movers=movers)
        opened.append(context)
        return context.__enter__()

    yield make
    for context in opened:
        context.__exit__(None, None, None)


@pytest.mark.parametrize("lane", ["sftp", "agent"])
def test_a_rate_is_held_by_all_movers_together(
    lane: Lane, loaded: Callable[..., Ferry], monkeypatch: pytest.MonkeyPatch
) -> None:
    rate, size = 2_000_000, 6_000_000
    under_way = loaded(lane, rate, size, 3)
    meter = Meter(under_way.pool, "old", monkeypatch)
    copy_pass(Course(under_way.crossing()))
    assert differences(under_way.source, under_way.target, nanoseconds=False) == []
    total = under_way.moved_bytes()
    assert total == pytest.approx(size, rel=0.02)
    assert meter.bytes == pytest.approx(total, rel=0.05), "content is paid for, once, and nothing else is"
    assert meter.bytes <= rate * meter.seconds * 1.05 + 0.15 * rate

    meter.grants.clear()
    verify(under_way.crossing(), 0, read_source=True)
    if lane == "agent":
        assert meter.bytes < 0.05 * size, "it is hashed where it lies"
    else:
        assert meter.bytes == pytest.approx(size, rel=0.05)
        assert rate * 0.75 < meter.bytes / meter.seconds < rate * 1.1


def test_writing_over_ssh_counts_against_the_endpoint_that_is_written(
    tmp_path: Path, ground: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = plant(tmp_path / "source", 3_000_000)
    (ground / "target").mkdir()
    give(ground, sshd.setup.account)
    for lane in ("sftp", "agent"):
        spec = replace(sshd.endpoint("openssh", "new"), lane=lane, limits=Limits(8, 2_000_000))
        specs = {"old": EndpointSpec("old"), "new": spec}
        pool = MoverPool(2, specs)
        meter = Meter(pool, "new", monkeypatch)
        try:
            name = os.fsencode(ground / "target" / lane)
            files = [
                os.fsencode(path.relative_to(tmp_path)) for path in (tmp_path / "source").rglob("*") if path.is_file()
            ]
            job = (Location("old", os.fsencode(tmp_path)), Location("new", name), files)
            pool.submit(copy_files, job, on_report=print).result(SECONDS)
        finally:
            pool.shutdown()
        assert meter.bytes == pytest.approx(size, rel=0.05)
        assert meter.seconds > 1.2


def copy_files(hands: Hands, job: tuple[Location, Location, list[bytes]]) -> None:
    """What a mover does with a batch, without what the tests of transfer are about."""
    source, target = hands.source(job[0]), hands.target(job[1], b"k" * 32)
    target.make_root()
    writer = target.writer(frozenset())
    wanted = [entry for path in job[2] if (entry := source.stat(path)) is not None]
    under_way = None
    for piece in source.read(wanted):
        if under_way is None:
            writer.begin(piece.entry)
        under_way = piece.entry
        writer.write(piece.data)
        if piece.found is not None:
            writer.finish(piece.found)
            under_way = None
    assert all(landed.problem is None for landed in writer.commit())
    writer.close()


def read_all(hands: Hands, location: Location) -> None:
    tree = hands.source(location)
    found = [each for block in tree.scan() for each in block if isinstance(each, Entry)]
    hands.report("begun")
    for piece in tree.read([each for each in found if each.kind is Kind.FILE]):
        hands.report(len(piece.data))


@pytest.mark.parametrize("was_limited", [True, False])
def test_a_rate_changes_while_work_is_under_way(was_limited: bool, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_bytes(os.urandom(40_000_000))
    specs = {"old": EndpointSpec("old", limits=Limits(4, 1_000_000 if was_limited else 40_000_000))}
    budgets = Budgets(specs)
    if not was_limited:
        budgets.set_rate("old", None)
    pool = MoverPool(1, specs, budgets)
    try:
        budgets.set_rate("old", 1_000_000)
        heard: list[object] = []
        future = pool.submit(read_all, Location("old", os.fsencode(tmp_path / "source")), on_report=heard.append)
        assert wait([future], 2).not_done, "at this rate it takes forty seconds"
        assert sum(each for each in heard if isinstance(each, int)) < 4_000_000
        budgets.set_rate("old", None)
        assert future.result(15) is None
    finally:
        pool.shutdown()


@pytest.mark.parametrize("how", ["stop", "abort", "shutdown"])
def test_a_mover_that_waits_for_its_turn_hears_everything(how: str, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_bytes(os.urandom(3_000_000))
    specs = {"old": EndpointSpec("old", limits=Limits(4, 1000))}
    pool = MoverPool(1, specs)
    try:
        begun = threading.Event()
        future = pool.submit(
            read_all, Location("old", os.fsencode(tmp_path / "source")), on_report=lambda _: begun.set()
        )
        assert begun.wait(SECONDS)
        assert wait([future], 0.5).not_done
        began = time.monotonic()
        if how == "stop":
            pool.ask_to_stop()
        elif how == "abort":
            pool.abort([future])
        else:
            pool.shutdown()
        assert wait([future], SECONDS).not_done == set()
        assert time.monotonic() - began < SECONDS, "at this rate it takes fifty minutes"
    finally:
        pool.shutdown()


@pytest.mark.parametrize("connector", ["openssh", "paramiko"])
@pytest.mark.parametrize("lane", ["sftp", "agent"])
def test_one_logs_in_at_a_time(
    lane: Lane,
    connector: Literal["openssh", "paramiko"],
    account: Account,
    client_key: ClientKey,
    ground: Path,
    tmp_path: Path,
) -> None:
    """The server hangs up on a second connection that is not logged in yet."""
    plant(ground / "source", 400_000)
    give(ground, account)
    with running_sshd(Setup(account, client_key, lines=("MaxStartups 1:100:1",))) as server:
        spec = replace(server.endpoint(connector, "old"), lane=lane, limits=Limits(8))
        pool = MoverPool(4, {"old": spec})
        try:
            place = Location("old", os.fsencode(ground / "source"))
            together = [pool.submit(meet_and_read, (place, tmp_path, 4), on_report=lambda _: None) for _ in range(4)]
            for future in together:
                future.result(SECONDS)
        finally:
            pool.shutdown()
        log = server.log()
    assert log.count("Accepted publickey") >= 4, log
    assert "drop connection" not in log


def meet_and_read(hands: Hands, job: tuple[Location, Path, int]) -> None:
    """Wait until so many movers are here, then connect, all at once."""
    place, meeting, count = job
    (meeting / f"here-{os.getpid()}").touch()
    deadline = time.monotonic() + SECONDS
    while len(list(meeting.glob("here-*"))) < count and time.monotonic() < deadline:
        time.sleep(0.002)
    read_all(hands, place)


def look(hands: Hands, location: Location) -> None:
    assert hands.source(location).stat(b"") is not None
    hands.report(os.getpid())


@pytest.fixture
def narrow(sshd: Sshd, ground: Path) -> Iterator[Callable[[int], tuple[Doorman, EndpointSpec, Location]]]:
    """Makes an endpoint that lets so few connections in, and a place there."""
    with contextlib.ExitStack() as stack:

        def make(most: int) -> tuple[Doorman, EndpointSpec, Location]:
            man = stack.enter_context(doorman(sshd.port, most))
            spec = replace(sshd.endpoint("openssh", "old"), lane="sftp", limits=Limits(8))
            assert spec.ssh is not None
            place = Location("old", os.fsencode(ground))
            return man, replace(spec, ssh=replace(spec.ssh, port=man.port)), place

        yield make


def test_work_that_is_turned_away_is_done_by_those_who_are_in(
    narrow: Callable[[int], tuple[Doorman, EndpointSpec, Location]], tmp_path: Path
) -> None:
    man, spec, place = narrow(1)
    told: list[str] = []
    pool = MoverPool(3, {"old": spec}, Budgets({"old": spec}, warn=told.append))
    try:
        futures = [
            pool.submit(meet_and_read, (place, tmp_path, 3), on_report=lambda _: None, endpoints=["old"])
            for _ in range(3)
        ]
        for future in futures:
            assert future.result(SECONDS) is None
    finally:
        pool.shutdown()
    assert man.refusals >= 1
    assert len(told) == 1


def test_a_mover_that_has_nothing_to_do_makes_room_for_the_run_itself(
    narrow: Callable[[int], tuple[Doorman, EndpointSpec, Location]],
) -> None:
    man, spec, place = narrow(1)
    specs = {"old": spec}
    budgets = Budgets(specs)
    pool = MoverPool(1, specs, budgets)
    hosts = Hosts(specs, budgets)
    try:
        pool.submit(look, place, on_report=lambda _: None, endpoints=["old"]).result(SECONDS)
        with hosts.source(place) as tree:
            assert tree.stat(b"") is not None
        pool.submit(look, place, on_report=lambda _: None, endpoints=["old"]).result(SECONDS)
    finally:
        hosts.close()
        pool.shutdown()
    assert man.refusals >= 1


class TestKeptConnections:
    """What one thread of the run keeps between two uses, on real connections."""

    @pytest.fixture
    def spec(self, sshd: Sshd, ground: Path) -> EndpointSpec:
        return replace(sshd.endpoint("openssh", "old"), lane="agent", limits=Limits(4))

    def test_the_next_use_finds_it(self, spec: EndpointSpec, sshd: Sshd, ground: Path) -> None:
        place = Location("old", os.fsencode(ground))
        hosts = Hosts({"old": spec}, Budgets({"old": spec}))
        before = sshd.log().count("Accepted publickey")
        try:
            for tree in (hosts.source(place), hosts.target(place, b"k" * 32), hosts.source(place)):
                with tree as opened:
                    assert opened.stat(b"") is not None
            assert sshd.log().count("Accepted publickey") == before + 1
        finally:
            hosts.close()
        wait_for(lambda: not sshd.sessions(), "it is closed in the end")

    def test_one_that_ended_meanwhile_is_followed_by_another(
        self, spec: EndpointSpec, sshd: Sshd, ground: Path
    ) -> None:
        place = Location("old", os.fsencode(ground))
        hosts = Hosts({"old": spec}, Budgets({"old": spec}))
        try:
            with hosts.source(place) as tree:
                assert tree.stat(b"") is not None
            sshd.kill_sessions()
            wait_for(lambda: not sshd.sessions(), "the connection is gone")
            with hosts.source(place) as tree:
                assert tree.stat(b"") is not None
        finally:
            hosts.close()

    def test_a_command_takes_its_place(self, spec: EndpointSpec, sshd: Sshd, ground: Path) -> None:
        hosts = Hosts({"old": spec}, Budgets({"old": spec}))
        try:
            with hosts.source(Location("old", os.fsencode(ground))) as tree:
                assert tree.stat(b"") is not None
            pids = sshd.sessions()
            assert hosts.place("old").run(["true"], SECONDS).status == 0
            wait_for(lambda: not {*pids}.intersection(sshd.sessions()), "what was kept is gone")
        finally:
            hosts.close()

    def test_it_makes_room_for_another_thread(self, spec: EndpointSpec, sshd: Sshd, ground: Path) -> None:
        place = Location("old", os.fsencode(ground))
        budgets = Budgets({"old": spec}, {"old": 1})
        first, second = Hosts({"old": spec}, budgets), Hosts({"old": spec}, budgets)
        try:
            for hosts in (first, second, first, second):
                with hosts.source(place) as tree:
                    assert tree.stat(b"") is not None
                    assert budgets["old"].others == 1
        finally:
            second.close()
            first.close()
        assert budgets["old"].others == 0
        wait_for(lambda: not sshd.sessions(), "all is closed in the end")

    def test_it_makes_room_where_the_endpoint_refuses(self, spec: EndpointSpec, sshd: Sshd, ground: Path) -> None:
        place = Location("old", os.fsencode(ground))
        with doorman(sshd.port, 1) as man:
            assert spec.ssh is not None
            specs = {"old": replace(spec, ssh=replace(spec.ssh, port=man.port))}
            budgets = Budgets(specs)
            pool, hosts = MoverPool(1, specs, budgets), Hosts(specs, budgets)
            try:
                with hosts.source(place) as tree:
                    assert tree.stat(b"") is not None
                pool.submit(look, place, on_report=lambda _: None, endpoints=["old"]).result(SECONDS)
            finally:
                pool.shutdown()
                hosts.close()
            assert man.refusals >= 1


def test_work_that_waits_for_another_try_can_be_given_up(
    narrow: Callable[[int], tuple[Doorman, EndpointSpec, Location]],
) -> None:
    man, spec, place = narrow(0)
    budgets = Budgets({"old": spec})
    pool = MoverPool(1, {"old": spec}, budgets)
    try:
        with budgets.lock(["old"]):
            future = pool.submit(look, place, on_report=lambda _: None, endpoints=["old"])
            wait_for(lambda: man.refusals >= 2, "it is turned away, again and again", SECONDS)
            pool.abort([future])
            assert wait([future], 5).not_done == set()
            assert not future.cancelled()
            assert future.exception() is not None
    finally:
        pool.shutdown()


def test_a_server_that_is_down_is_not_waited_for(sshd: Sshd, ground: Path) -> None:
    spec = replace(sshd.endpoint("openssh", "old"), lane="sftp")
    budgets = Budgets({"old": spec})
    pool = MoverPool(1, {"old": spec}, budgets)
    sshd.stop()
    try:
        with budgets.lock(["old"]):
            place = Location("old", os.fsencode(ground))
            future = pool.submit(look, place, on_report=lambda _: None, endpoints=["old"])
            assert isinstance(future.exception(SECONDS), EndpointUnavailable)
    finally:
        pool.shutdown()
