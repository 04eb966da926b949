"""The `dns` switch against real name servers: one suite for BIND 9 and for Knot."""

from __future__ import annotations

import json
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import dns.message
import pytest

from migrator.domain.events import Event, OnEvent
from migrator.domain.plan import DnsSwitch, NameServer
from migrator.errors import EndpointUnavailable, MigratorError, Refused
from migrator.switching.cautious import put_in_place, take_back
from migrator.switching.dns import effect as effects
from migrator.switching.dns import look_at, servers
from migrator.switching.dns.effect import DnsEffect
from migrator.switching.dns.sight import RecordSight
from migrator.switching.effects import Answer, Effect
from tests.support.effects import Memory, PowerCut, ignore
from tests.support.nameservers import (
    BROKEN_ZONE,
    PRODUCTS,
    ZONE,
    Key,
    Product,
    Server,
    make_tsig_key,
    running_primary,
    running_secondary,
)
from tests.support.sshd import dead_port, wait_for

Kind = Literal["A", "AAAA", "CNAME", "TXT"]
Move = Callable[[Effect, Memory, OnEvent], None]
NEW = "10.18.0.7"


@dataclass
class Ground:
    """One product with its primary server, and the key that may change the zone."""

    product: Product
    key: Key
    primary: Server

    def switch(self, name: str = "eau", kind: Kind = "A", value: str = NEW, *servers: Server) -> DnsSwitch:
        asked = (self.primary, *servers)
        addresses = tuple(server.address for server in asked)
        return DnsSwitch(self.primary.address, ZONE, name, kind, value, 60, self.key.file, addresses, 20.0)

    def change(self, name: str, kind: Kind, ttl: int, *values: str) -> None:
        self.primary.change(self.key, name, kind, ttl, *values)


@pytest.fixture(scope="module", params=PRODUCTS)
def product(request: pytest.FixtureRequest) -> Product:
    chosen: Product = request.param
    return chosen


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return make_tsig_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def ground(product: Product, key: Key) -> Iterator[Ground]:
    with running_primary(product, key) as primary:
        yield Ground(product, key, primary)


@pytest.fixture
def secondary(ground: Ground) -> Iterator[Server]:
    with running_secondary(ground.product, ground.key, ground.primary) as server:
        yield server


def effect_of(switch: DnsSwitch) -> DnsEffect:
    return DnsEffect("portal", "switch 1 (dns)", switch)


@pytest.mark.parametrize(
    ("name", "kind", "value", "shown"),
    [
        ("eau", "A", NEW, NEW),
        ("deux", "A", NEW, NEW),
        ("six", "AAAA", "2001:db8:0::7", "2001:db8::7"),
        ("alias", "CNAME", "web.dc18.example.", "web.dc18.example."),
        ("alias", "CNAME", "deux", f"deux.{ZONE}."),
        ("words", "TXT", 'a; "b" c', '"a; \\"b\\" c"'),
        ("fresh", "A", NEW, NEW),
        ("fresh", "CNAME", "eau", f"eau.{ZONE}."),
        ("@", "TXT", "moved", '"moved"'),
        ("any.wild", "A", NEW, NEW),
        ("any.astray", "CNAME", "web.dc18.example.", "web.dc18.example."),
    ],
)
def test_there_and_back_again(ground: Ground, name: str, kind: Kind, value: str, shown: str) -> None:
    before = ground.primary.ask(name, kind)
    effect, memory = effect_of(ground.switch(name, kind, value)), Memory()
    assert effect.probe() is Answer.NOT_IN_PLACE
    put_in_place(effect, memory, ignore)
    assert ground.primary.ask(name, kind) == (60, {shown})
    take_back(effect, memory, ignore)
    assert ground.primary.ask(name, kind) == before, "the values and the time to live are as they were"
    assert memory.history() == [("apply", "in place"), ("undo", "not in place")]


def test_a_long_text_takes_more_than_one_string_and_more_than_a_datagram(ground: Ground) -> None:
    words = "migrated " * 200
    effect = effect_of(ground.switch("words", "TXT", words))
    put_in_place(effect, Memory(), ignore)
    _, (found,) = ground.primary.ask("words", "TXT")
    assert found.replace('" "', "").strip('"') == words
    assert effect.probe() is Answer.IN_PLACE


def test_a_second_apply_changes_nothing(ground: Ground) -> None:
    memory = Memory()
    put_in_place(effect_of(ground.switch()), memory, ignore)
    serial = ground.primary.serial()
    put_in_place(effect_of(ground.switch()), memory, ignore)
    assert ground.primary.serial() == serial
    assert memory.history() == [("apply", "in place")]


def test_an_apply_that_comes_twice_is_stopped_by_the_server_and_settled_by_the_probe(ground: Ground) -> None:
    first, second = effect_of(ground.switch()), effect_of(ground.switch())
    first.prepare()
    second.prepare()
    first.apply()
    serial = ground.primary.serial()
    second.apply()
    assert ground.primary.serial() == serial
    assert second.probe() is Answer.IN_PLACE


@pytest.mark.parametrize(
    ("name", "kind", "by_others", "left"),
    [
        ("eau", "A", ("A", "192.0.2.9"), {"192.0.2.9"}),
        ("eau", "A", ("A", "192.0.2.1", "192.0.2.9"), {"192.0.2.1", "192.0.2.9"}),
        ("deux", "A", ("A", "192.0.2.1"), {"192.0.2.1"}),
        ("fresh", "A", ("A", "192.0.2.9"), {"192.0.2.9"}),
        ("fresh", "A", ("CNAME", "eau"), {"192.0.2.1"}),  # the alias is followed, and nothing of ours is beside it
        ("fresh", "CNAME", ("TXT", "taken"), set()),
    ],
)
def test_what_somebody_else_changed_meanwhile_is_not_overwritten(
    ground: Ground, name: str, kind: Kind, by_others: tuple[Kind, str], left: set[str]
) -> None:
    effect = effect_of(ground.switch(name, kind, NEW if kind == "A" else "eau"))
    effect.prepare()
    ground.change(name, by_others[0], 300, *by_others[1:])
    serial = ground.primary.serial()
    with pytest.raises(Refused, match="nothing was changed"):
        effect.apply()
    assert ground.primary.serial() == serial
    assert ground.primary.ask(name, kind)[1] == left
    assert effect.probe() is Answer.NOT_IN_PLACE


def test_a_record_that_is_no_longer_ours_is_left_alone_by_undo(ground: Ground) -> None:
    effect, memory = effect_of(ground.switch()), Memory()
    put_in_place(effect, memory, ignore)
    ground.change("eau", "A", 120, NEW, "192.0.2.9")
    take_back(effect, memory, ignore)
    effect.undo(memory.marked("prepared by switch 1 (dns)"))  # even if a probe had been wrong
    assert ground.primary.ask("eau") == (120, {NEW, "192.0.2.9"})


def test_a_value_that_was_there_from_the_start_is_not_guessed_back(ground: Ground) -> None:
    ground.change("eau", "A", 300, NEW)
    effect, memory = effect_of(ground.switch()), Memory()
    put_in_place(effect, memory, ignore)
    with pytest.raises(Refused, match=f"no record of what eau.{ZONE} A said before"):
        take_back(effect, memory, ignore)
    assert ground.primary.ask("eau") == (300, {NEW})


def test_an_alias_in_the_way_is_told(ground: Ground) -> None:
    with pytest.raises(Refused, match=rf"alias\.{ZONE} is an alias \(CNAME\) of eau\.{ZONE}, so"):
        put_in_place(effect_of(ground.switch("alias")), Memory(), ignore)
    assert ground.primary.ask("alias", "CNAME") == (300, {f"eau.{ZONE}."})


@pytest.mark.parametrize("writes", [1, 2, 3])
@pytest.mark.parametrize("move", [put_in_place, take_back])
def test_a_cut_after_any_write_is_healed_by_the_next_run(
    ground: Ground,
    writes: int,
    move: Move,
) -> None:
    memory = Memory()
    if move is take_back:
        put_in_place(effect_of(ground.switch()), memory, ignore)
    before = ground.primary.serial()
    memory.cut_after = writes
    try:
        move(effect_of(ground.switch()), memory, ignore)
    except PowerCut:
        move(effect_of(ground.switch()), memory, ignore)
    assert ground.primary.serial() == before + 1, "one effective change, never two"
    assert ground.primary.ask("eau") == ((60, {NEW}) if move is put_in_place else (300, {"192.0.2.1"}))
    if move is put_in_place:
        take_back(effect_of(ground.switch()), memory, ignore)
        assert ground.primary.ask("eau") == (300, {"192.0.2.1"}), "what undo needs was not lost"


class CutOff(DnsEffect):
    """The process ends right after each update, before anything is written down."""

    def apply(self) -> None:
        super().apply()
        raise PowerCut

    def undo(self, prepared: str | None) -> None:
        super().undo(prepared)
        raise PowerCut


def test_a_cut_between_the_update_and_its_confirmation_is_settled_by_the_probe(ground: Ground) -> None:
    switch, memory, serial = ground.switch(), Memory(), ground.primary.serial()
    moves: list[tuple[Move, str, tuple[int, set[str]]]] = [
        (put_in_place, "in place", (60, {NEW})),
        (take_back, "not in place", (300, {"192.0.2.1"})),
    ]
    for number, (move, answer, record) in enumerate(moves, start=1):
        with pytest.raises(PowerCut):
            move(CutOff("portal", "switch 1 (dns)", switch), memory, ignore)
        assert memory.history()[-1][1] is None
        move(effect_of(switch), memory, ignore)
        assert memory.history()[-1][1] == answer
        assert ground.primary.ask("eau") == record
        assert ground.primary.serial() == serial + number, "one update each way, never a second"


def test_a_secondary_that_lags_behind_is_waited_for(ground: Ground, secondary: Server) -> None:
    effect, memory = effect_of(ground.switch("eau", "A", NEW, secondary)), Memory()
    seen_behind: list[set[str]] = []

    def catch_up() -> None:
        wait_for(lambda: ground.primary.ask("eau")[1] == {NEW}, "the primary is changed")
        seen_behind.append(secondary.ask("eau")[1])
        secondary.notify()

    helper = threading.Thread(target=catch_up)
    helper.start()
    put_in_place(effect, memory, ignore)
    helper.join()
    assert seen_behind == [{"192.0.2.1"}]
    assert secondary.ask("eau") == (60, {NEW})
    assert memory.history() == [("apply", "in place")]


def test_a_secondary_that_stays_behind_ends_as_unknown_and_goes_on_later(ground: Ground, secondary: Server) -> None:
    hasty = replace(ground.switch("eau", "A", NEW, secondary), timeout_seconds=1.0)
    memory = Memory()
    with pytest.raises(Refused, match="not all servers agree") as caught:
        put_in_place(effect_of(hasty), memory, ignore)
    assert f"{secondary.address} gives 192.0.2.1" in caught.value.message
    assert memory.history() == [("apply", None)]
    assert effect_of(hasty).probe() is Answer.UNKNOWN
    secondary.notify()
    patient = ground.switch("eau", "A", NEW, secondary)
    serial = ground.primary.serial()
    put_in_place(effect_of(patient), memory, ignore)
    assert ground.primary.serial() == serial, "what was unknown is not applied again"
    assert memory.history() == [("apply", "in place")]


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let servers that do not answer be given up soon."""
    monkeypatch.setattr(servers, "_QUESTION_SECONDS", 0.5)


@pytest.mark.usefixtures("hurried")
def test_a_server_that_does_not_answer_makes_it_unknown(ground: Ground, secondary: Server) -> None:
    effect, memory = effect_of(ground.switch("eau", "A", NEW, secondary)), Memory()
    secondary.pause()
    assert effect.probe() is Answer.UNKNOWN
    with pytest.raises(Refused, match=rf"{secondary.port} cannot be asked: no answer in time"):
        put_in_place(effect, memory, ignore)
    assert ground.primary.ask("eau") == (300, {"192.0.2.1"})
    secondary.go_on()
    assert effect.probe() is Answer.NOT_IN_PLACE
    assert effect.doubt is None


def test_a_record_of_its_own_takes_the_place_of_an_alias_by_wildcard(ground: Ground) -> None:
    effect, memory = effect_of(ground.switch("any.astray")), Memory()
    put_in_place(effect, memory, ignore)
    assert ground.primary.ask("any.astray") == (60, {NEW})
    take_back(effect, memory, ignore)
    assert ground.primary.ask("any.astray", "CNAME") == (300, {f"eau.{ZONE}."})


@pytest.mark.usefixtures("hurried")
def test_a_server_that_is_away_while_the_others_are_ahead_is_waited_for(
    ground: Ground, secondary: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    effect = effect_of(ground.switch("eau", "A", NEW, secondary))
    effect.prepare()
    effect.apply()
    secondary.notify()
    wait_for(lambda: secondary.ask("eau")[1] == {NEW}, "the secondary has caught up")
    secondary.pause()
    pauses: list[float] = []

    def come_back(seconds: float) -> None:
        pauses.append(seconds)
        secondary.go_on()

    monkeypatch.setattr(effects, "time", SimpleNamespace(monotonic=time.monotonic, sleep=come_back))
    assert effect.probe() is Answer.IN_PLACE
    assert pauses


@pytest.mark.usefixtures("hurried")
def test_nobody_listening_is_unknown_and_told_at_planning_time() -> None:
    nowhere = NameServer("127.0.0.1", dead_port())
    switch = DnsSwitch(nowhere, ZONE, "eau", "A", NEW, 60, None, (nowhere,))
    assert effect_of(switch).probe() is Answer.UNKNOWN
    with pytest.raises(EndpointUnavailable, match=f"{nowhere} cannot be asked: no answer in time"):
        look_at(switch)


def test_a_name_server_without_an_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    nobody = NameServer("ns.invalid", 53)
    with pytest.raises(EndpointUnavailable, match=r"ns\.invalid:53 cannot be asked: Name or service not known"):
        look_at(DnsSwitch(nobody, ZONE, "eau", "A", NEW, 60, None, (nobody,)))


@pytest.mark.parametrize(
    ("zone", "name", "words"),
    [
        (BROKEN_ZONE, "eau", "failed at it (SERVFAIL)"),
        (ZONE, "www.child", f"does not serve the zone of www.child.{ZONE} itself"),
    ],
)
def test_an_answer_that_says_nothing_about_the_record_is_unknown(
    ground: Ground, zone: str, name: str, words: str
) -> None:
    switch = replace(ground.switch(name), zone=zone)
    with pytest.raises(Refused) as caught:
        put_in_place(effect_of(switch), Memory(), ignore)
    assert "cannot be probed" in caught.value.message
    assert words in caught.value.message
    with pytest.raises(Refused) as caught:
        look_at(switch)
    assert words in caught.value.message


def test_a_clock_that_is_an_hour_off_is_told(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns.message, "time", SimpleNamespace(time=lambda: time.time() - 3600))
    with pytest.raises(Refused, match=r"its clock and ours differ \(BADTIME\)"):
        look_at(ground.switch())


class TestLooking:
    def test_it_tells_what_stands_there_and_changes_nothing(self, ground: Ground) -> None:
        serial = ground.primary.serial()
        assert look_at(ground.switch()) == RecordSight(("192.0.2.1",), 300, is_in_place=False, is_key_open=False)
        assert look_at(ground.switch("deux")).ttl_seconds == 7200
        assert look_at(ground.switch("any.wild")) == RecordSight(("192.0.2.1",), 7200, False, False)
        assert look_at(ground.switch("deux")).values == ("192.0.2.1", "192.0.2.2")
        assert look_at(ground.switch("fresh")) == RecordSight((), None, is_in_place=False, is_key_open=False)
        assert look_at(ground.switch(value="192.0.2.1")).is_in_place
        assert ground.primary.serial() == serial

    def test_a_key_file_that_everybody_can_read_is_told(self, ground: Ground, tmp_path: Path) -> None:
        copy = tmp_path / "open.key"
        copy.write_text(ground.key.file.read_text())
        copy.chmod(0o644)
        assert look_at(replace(ground.switch(), key_file=copy)).is_key_open

    @pytest.mark.parametrize(
        ("name", "kind", "what"),
        [("alias", "A", "is an alias"), ("eau", "CNAME", "other records stand at")],
    )
    def test_what_cannot_stand_side_by_side_is_refused(self, ground: Ground, name: str, kind: Kind, what: str) -> None:
        with pytest.raises(Refused, match=what):
            look_at(ground.switch(name, kind, NEW if kind == "A" else "x.example."))


@pytest.fixture(params=["unknown key", "other secret", "other algorithm", "no key", "other zone", "zone below"])
def refused(request: pytest.FixtureRequest, ground: Ground, tmp_path: Path) -> tuple[DnsSwitch, str]:
    """A switch that the server does not take, and what it says."""
    switch = ground.switch()
    by_product = ground.product == "bind"
    match request.param:
        case "unknown key":
            return replace(switch, key_file=make_tsig_key(tmp_path, "stranger").file), "does not know the key (BADKEY)"
        case "other secret":
            return replace(switch, key_file=make_tsig_key(tmp_path).file), "does not accept the signature (BADSIG)"
        case "other algorithm":
            other = make_tsig_key(tmp_path, algorithm="hmac-sha512").file
            return replace(switch, key_file=other), "(BADKEY)"
        case "no key":
            word = "refuses the update (REFUSED)" if by_product else "does not take the update (NOTAUTH)"
            return replace(switch, key_file=None), word
        case "other zone":
            return replace(switch, zone="lyon.example"), "refuses the question (REFUSED)"
        case _:
            return replace(switch, zone=f"below.{ZONE}"), "NOTAUTH)"


def test_what_the_server_does_not_take_is_told_before_and_at_the_switch(
    ground: Ground, refused: tuple[DnsSwitch, str]
) -> None:
    switch, words = refused
    serial = ground.primary.serial()
    memory, events = Memory(), list[Event]()
    for act in (lambda: look_at(switch), lambda: put_in_place(effect_of(switch), memory, events.append)):
        with pytest.raises(Refused) as caught:
            act()
        assert words in caught.value.message
        assert caught.value.hint
        shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__context__) + repr(events)
        assert ground.key.secret not in shown
        assert switch.key_file is None or switch.key_file.read_text().split('"')[3] not in shown
    assert ground.primary.serial() == serial
    assert ground.primary.ask("eau") == (300, {"192.0.2.1"})


def test_the_secret_is_in_nothing_that_is_kept_or_shown(ground: Ground) -> None:
    effect, memory, events = effect_of(ground.switch()), Memory(), list[Event]()
    put_in_place(effect, memory, events.append)
    take_back(effect, memory, events.append)
    kept = json.dumps(memory.marks) + repr(memory.effects) + repr(events) + repr(vars(effect)) + repr(effect)
    assert ground.key.secret not in kept


@pytest.mark.parametrize("algorithm", ["hmac-sha1", "hmac-sha224", "hmac-sha384", "hmac-sha512"])
def test_every_algorithm_signs(product: Product, tmp_path: Path, algorithm: str) -> None:
    key = make_tsig_key(tmp_path, "other.key.example", algorithm)
    with running_primary(product, key) as primary:
        put_in_place(effect_of(Ground(product, key, primary).switch()), Memory(), ignore)
        assert primary.ask("eau") == (60, {NEW})


def test_errors_are_of_the_project(ground: Ground, tmp_path: Path) -> None:
    with pytest.raises(MigratorError, match="cannot read the key file"):
        look_at(replace(ground.switch(), key_file=tmp_path / "missing"))
