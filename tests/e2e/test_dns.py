"""A record of a real name server is switched over by the command line, and looked at by `plan`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.moves import Move
from tests.support.nameservers import ZONE, Key, Server, make_tsig_key, running_primary, running_secondary
from tests.support.plans import Mapped
from tests.support.sshd import dead_port
from tests.support.trees import build_many

NEW = "10.18.0.7"


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return make_tsig_key(tmp_path)


@pytest.fixture
def primary(key: Key) -> Iterator[Server]:
    with running_primary("bind", key) as server:
        yield server


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_many(bytes(move.source), 3)
    return move


def dns_switch(primary: Server, key: Key, name: str = "eau", **more: object) -> Mapped:
    """The switch as a plan writes it; the key file is relative to the plan."""
    settings = {"server": str(primary.address), "zone": ZONE, "name": name, "type": "A", "value": NEW}
    return {"dns": {**settings, "key_file": key.file.name, **more}}


def kept(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_run_changes_the_record_once_and_keeps_no_secret(move: Move, primary: Server, key: Key) -> None:
    cli = move.cli(switch=[dns_switch(primary, key)])
    serial = primary.serial()
    outcomes = [cli("plan"), cli("run", "--yes", "--until", "verified")]
    assert primary.serial() == serial, "neither the look nor the copy changed anything"
    outcomes += [cli("run", "--yes", "--json"), cli("run", "--yes"), cli("status"), cli("plan")]
    assert primary.ask("eau") == (60, {NEW})
    assert primary.serial() == serial + 1
    assert f"eau.{ZONE} A says 192.0.2.1 (TTL 300 s), and will say {NEW}" in outcomes[0].stdout + outcomes[0].stderr
    effects = [(line["effect"], line["verb"], line["answer"]) for line in outcomes[2].events("effect.noted")]
    assert effects == [
        ("switch 1 (dns)", "probe", "not in place"),
        ("switch 1 (dns)", "apply", "done"),
        ("switch 1 (dns)", "probe", "in place"),
    ]
    assert key.secret not in "".join(map(str, outcomes))
    assert key.secret.encode() not in kept(cli.state)


def test_a_long_time_to_live_is_warned_of(move: Move, primary: Server, key: Key) -> None:
    cli = move.cli(switch=[dns_switch(primary, key, "deux")])
    findings = {line["rule"]: line for line in cli("plan", "--json").events("finding")}
    assert findings["dns-ttl"]["severity"] == "warning"
    assert "has a TTL of 7200 s" in findings["dns-ttl"]["sentence"]


def test_a_key_that_the_server_does_not_know_is_refused_before_anything_is_copied(
    move: Move, primary: Server, tmp_path: Path
) -> None:
    stranger = make_tsig_key(tmp_path, "stranger")
    cli = move.cli(switch=[dns_switch(primary, stranger)])
    for outcome in (cli("plan", expect=4), cli("run", expect=4)):
        assert "does not know the key (BADKEY)" in outcome.stdout + outcome.stderr
        assert stranger.secret not in str(outcome)
    assert not move.target.exists() or not list(move.target.iterdir())


def test_a_name_server_that_is_down_is_an_endpoint_that_cannot_be_reached(
    move: Move, key: Key, primary: Server
) -> None:
    cli = move.cli(switch=[dns_switch(primary, key, server=f"127.0.0.1:{dead_port()}")])
    assert "cannot be asked" in str(cli("plan", expect=10))
    cli("plan", "--offline")


def test_a_secondary_that_stays_behind_stops_the_run_with_its_name_until_it_caught_up(
    move: Move, primary: Server, key: Key
) -> None:
    with running_secondary("bind", key, primary) as secondary:
        switch = dns_switch(primary, key, servers=[str(secondary.address)], timeout="1 s")
        cli = move.cli(switch=[switch])
        outcome = cli("run", "--yes", expect=4)
        assert f"{secondary.address} gives 192.0.2.1" in outcome.stderr
        secondary.notify()
        serial = primary.serial()
        move.cli(switch=[switch])("run", "--yes")
        assert secondary.ask("eau") == (60, {NEW})
        assert primary.serial() == serial
