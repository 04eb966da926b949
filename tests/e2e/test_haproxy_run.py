"""A whole run whose switch is HAProxy's, while clients keep asking; and the same when it is killed half-way."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.support.haproxy import Proxy, running_haproxy
from tests.support.moves import NAME, Move
from tests.support.sshd import wait_for


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with running_haproxy() as proxy:
        yield proxy


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    move.source.mkdir()
    (move.source / "index.html").write_text("Bienvenue")
    return move


def cli_for(move: Move, proxy: Proxy) -> Cli:
    switch = {"on": "here", "socket": str(proxy.socket), "backend": "portail", "from": "old", "to": "new"}
    check = {"url": f"http://127.0.0.1:{proxy.port}/", "contains": "new", "when": "after", "timeout": "5 s"}
    return move.cli(switch=[{"haproxy": switch}], checks=[{"http": check}])


def test_a_proxy_that_is_not_there_yet_is_warned_of_by_the_preflight(move: Move, proxy: Proxy) -> None:
    cli = cli_for(move, proxy)
    cli.plan.write_text(cli.plan.read_text().replace(str(proxy.socket), str(move.folder / "none")))
    outcome = cli("run", "--until", "checked", "--json")
    (warning,) = [event["sentence"] for event in outcome.events("note") if event["severity"] == "warning"]
    assert warning.startswith("switch 1 (haproxy): HAProxy does not answer")


def test_users_notice_nothing(move: Move, proxy: Proxy) -> None:
    cli, client = cli_for(move, proxy), proxy.client
    with client.asking():
        cli("run", "--until", "switched-over", "--yes")
    assert client.errors == []
    assert client.answers[-1] == "new"
    assert cli.phases() == {NAME: "switched-over"}


def test_a_kill_while_the_old_one_is_drained_costs_nothing(move: Move, proxy: Proxy) -> None:
    """A slow request keeps the drain going, so that the kill comes after the drain began and before its end."""
    cli, client = cli_for(move, proxy), proxy.client
    cli("run", "--until", "verified", "--yes")
    with client.asking():
        proxy.hold_old(client)
        with cli.started("run", "--until", "switched-over", "--yes") as process:
            wait_for(lambda: proxy.status("old").startswith("DRAIN"), "the drain", seconds=60)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        assert cli.phases() == {NAME: "switching"}
        proxy.old.let_go.set()
        outcome = cli("run", "--until", "switched-over", "--yes", "--json")
    noted = [(event["verb"], event["answer"]) for event in outcome.events("effect.noted")]
    assert noted == [("probe", "in place")], "not applied a second time"
    assert client.errors == []
    assert cli.phases() == {NAME: "switched-over"}
