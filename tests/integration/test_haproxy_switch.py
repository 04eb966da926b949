"""The `haproxy` switch against a real HAProxy, with clients that never stop asking."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from migrator.domain.acts import HaproxySwitch
from migrator.domain.plan import EndpointSpec, Ssh
from migrator.endpoints.agent.endpoint import AgentEndpoint
from migrator.endpoints.agent.here import HereAccess
from migrator.endpoints.contract import Completed
from migrator.endpoints.opening import open_endpoint
from migrator.errors import Refused
from migrator.journal.application import ApplicationJournal
from migrator.journal.folder import StateFolder
from migrator.switching.cautious import put_in_place, take_back
from migrator.switching.effect import Answer
from migrator.switching.haproxy import HaproxyEffect
from migrator.switching.haproxy_socket import NoAnswer, runtime_at
from tests.support.haproxy import Proxy, running_haproxy
from tests.support.sshd import Sshd, wait_for


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with running_haproxy() as proxy:
        yield proxy


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[ApplicationJournal]:
    with ApplicationJournal.open(StateFolder(tmp_path / "state", "moving"), "portail") as journal:
        yield journal


def here() -> AgentEndpoint:
    return AgentEndpoint(EndpointSpec("here"), HereAccess())


def effect_at(
    proxy: Proxy, *, seconds: float = 20.0, notes: list[str] | None = None, backend: str = "portail", old: str = "old"
) -> HaproxyEffect:
    switch = HaproxySwitch("here", str(proxy.socket), backend, old, "new", seconds)
    note = (notes if notes is not None else []).append
    return HaproxyEffect("portail", "switch 1 (haproxy)", switch, runtime_at(here(), switch.socket), note)


def ignore(event: object) -> None:
    pass


def test_no_request_is_lost_on_the_way_there_and_back(proxy: Proxy, journal: ApplicationJournal) -> None:
    effect, client = effect_at(proxy), proxy.client
    with client.asking():
        put_in_place(effect, journal, ignore)
        client.wait_for_more()
        assert client.ask() == "new"
        assert effect.probe() is Answer.IN_PLACE
        take_back(effect, journal, ignore)
        client.wait_for_more()
        assert client.ask() == "old"
    assert client.errors == []
    assert set(client.answers) == {"old", "new"}
    assert effect.probe() is Answer.NOT_IN_PLACE
    assert (proxy.status("old"), proxy.status("new")) == ("UP", "MAINT")


@pytest.mark.parametrize("former", ["maint", "drain"])
def test_undo_gives_the_new_server_its_former_state(proxy: Proxy, journal: ApplicationJournal, former: str) -> None:
    proxy.tell(f"set server portail/new state {former}")
    effect = effect_at(proxy)
    put_in_place(effect, journal, ignore)
    assert proxy.status("old").startswith("DRAIN")
    take_back(effect, journal, ignore)
    assert proxy.status("new").startswith(former.upper())


def test_what_the_old_server_still_answers_is_waited_for(proxy: Proxy) -> None:
    effect, client, answers = effect_at(proxy), proxy.client, list[str]()
    slow = threading.Thread(target=lambda: answers.append(client.ask("/slow")))
    slow.start()
    wait_for(lambda: effect._sessions("old") == 1, "the slow request")
    switching = threading.Thread(target=effect.apply)
    switching.start()
    wait_for(lambda: proxy.status("old").startswith("DRAIN"), "the drain")
    assert proxy.client.ask() == "new"
    assert switching.is_alive()
    proxy.old.let_go.set()
    slow.join()
    switching.join()
    assert answers == ["old"]


def test_sessions_that_do_not_end_are_told_and_not_waited_for_for_ever(proxy: Proxy) -> None:
    notes: list[str] = []
    effect = effect_at(proxy, seconds=1.0, notes=notes)
    slow = threading.Thread(target=proxy.client.ask, args=("/slow",))
    slow.start()
    wait_for(lambda: effect._sessions("old") == 1, "the slow request")
    effect.apply()
    assert ["1 of its sessions have not ended after 1 s" in note for note in notes] == [True]
    assert effect.probe() is Answer.IN_PLACE
    proxy.old.let_go.set()
    slow.join()


def test_a_new_server_that_does_not_come_up_gets_nothing(proxy: Proxy, journal: ApplicationJournal) -> None:
    proxy.new.stop()
    effect, client = effect_at(proxy, seconds=1.5), proxy.client
    with client.asking(), pytest.raises(Refused, match=r"`new` did not come up within 1\.5 s; `old` is ready and UP"):
        put_in_place(effect, journal, ignore)
    assert client.errors == []
    assert set(client.answers) == {"old"}
    assert effect.probe() is Answer.NOT_IN_PLACE


class PowerCut(BaseException):
    """Stands for the end of the process."""


BOTH = "set server portail/new state ready; set server portail/old state drain"


@pytest.mark.parametrize(
    ("said", "answer", "former"),
    [(BOTH, Answer.NOT_IN_PLACE, "DRAIN"), ("show stat portail 4 -1", Answer.IN_PLACE, "MAINT")],
)
def test_a_switch_that_was_cut_off_is_finished_or_taken_back(
    proxy: Proxy, journal: ApplicationJournal, said: str, answer: Answer, former: str
) -> None:
    effect = effect_at(proxy)
    ask = effect._ask

    def cut(command: str) -> str:
        if command == said:
            raise PowerCut
        return ask(command)

    for go_on, expected in ((put_in_place, "new"), (take_back, "old")):
        effect._ask = cut
        with pytest.raises(PowerCut):
            put_in_place(effect, journal, ignore)
        effect._ask = ask
        assert effect.probe() is answer
        go_on(effect, journal, ignore)
        assert proxy.client.ask() == expected
        take_back(effect, journal, ignore)
        assert (proxy.status("old"), proxy.status("new").split()[0]) == ("UP", former)


def test_a_switch_that_somebody_left_half_way_is_finished(proxy: Proxy, journal: ApplicationJournal) -> None:
    effect = effect_at(proxy)
    put_in_place(effect, journal, ignore)
    proxy.tell("set server portail/old state ready")
    assert effect.probe() is Answer.HALF_WAY
    put_in_place(effect, journal, ignore)
    assert effect.probe() is Answer.IN_PLACE
    take_back(effect, journal, ignore)
    assert (proxy.status("old"), proxy.status("new")) == ("UP", "MAINT")


def test_the_new_server_is_checked_before_it_gets_anything_and_both_change_in_one_command(
    proxy: Proxy, journal: ApplicationJournal
) -> None:
    """Else what is written with the one could be missing, for a moment, with the other."""
    effect = effect_at(proxy)
    ask, said = effect._ask, list[str]()

    def noting(command: str) -> str:
        said.append(command)
        return ask(command)

    effect._ask = noting
    effect.apply()
    assert [command for command in said if command.startswith("set")] == ["set server portail/new state drain", BOTH]


def test_a_target_that_died_can_be_left_again(proxy: Proxy, journal: ApplicationJournal) -> None:
    effect = effect_at(proxy)
    put_in_place(effect, journal, ignore)
    proxy.new.stop()
    wait_for(lambda: proxy.status("new") == "DOWN", "the health check")
    take_back(effect, journal, ignore)
    assert proxy.client.ask() == "old"


def test_a_new_server_in_use_before_the_switch_is_refused(proxy: Proxy, journal: ApplicationJournal) -> None:
    proxy.tell("set server portail/new state ready")
    with pytest.raises(Refused, match="takes requests before the switch"):
        put_in_place(effect_at(proxy), journal, ignore)
    assert journal.last_effect("switch 1 (haproxy)") is None


def test_nobody_serving_is_unknown(proxy: Proxy, journal: ApplicationJournal) -> None:
    proxy.tell("set server portail/old state maint")
    with pytest.raises(Refused, match="`old` is maint and DOWN, `new` is maint and DOWN: neither takes requests"):
        put_in_place(effect_at(proxy), journal, ignore)


def test_a_silent_socket_is_unknown(tmp_path: Path) -> None:
    switch = HaproxySwitch("here", str(tmp_path / "none"), "portail", "old", "new", 5.0)
    effect = HaproxyEffect("portail", "switch 1 (haproxy)", switch, runtime_at(here(), switch.socket), ignore)
    assert effect.probe() is Answer.UNKNOWN
    assert effect.doubt is not None
    assert "No such file or directory" in effect.doubt.sentence


@pytest.mark.parametrize(
    ("backend", "old", "said"), [("nope", "old", "Can't find backend"), ("portail", "nope", "No such server: nope")]
)
def test_a_name_that_haproxy_does_not_know_is_told(proxy: Proxy, backend: str, old: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        effect_at(proxy, backend=backend, old=old).probe()


def test_a_socket_that_may_only_look_is_told(journal: ApplicationJournal) -> None:
    with running_haproxy(level="operator") as proxy, pytest.raises(Refused, match="Permission denied"):
        put_in_place(effect_at(proxy), journal, ignore)


def test_a_server_without_health_check_is_up_at_once(journal: ApplicationJournal) -> None:
    with running_haproxy(checks_new=False) as proxy:
        put_in_place(effect_at(proxy), journal, ignore)
        assert proxy.client.ask() == "new"


def test_through_an_endpoint_the_answers_are_the_same(proxy: Proxy, sshd: Sshd) -> None:
    endpoint = open_endpoint(replace(sshd.endpoint("auto"), lane="auto"), {})
    try:
        proxy.socket.parent.chmod(0o755)
        proxy.socket.chmod(0o666)
        far, near = runtime_at(endpoint, str(proxy.socket)), runtime_at(here(), str(proxy.socket))
        assert far("show servers state nope") == near("show servers state nope")
        assert far("set server portail/new state ready") == near("set server portail/new state ready")
        with pytest.raises(NoAnswer, match="No such file"):
            runtime_at(endpoint, "/nowhere/socket")("show info")
    finally:
        endpoint.close()


def test_a_far_host_without_python_is_told() -> None:
    class Bare(AgentEndpoint):
        def run(self, argv: Sequence[str], timeout_seconds: float) -> Completed:
            return Completed(127, b"", b"sh: python3: not found")

    ask: Callable[[str], str] = runtime_at(
        Bare(EndpointSpec("far", Ssh(host="far")), HereAccess()), "/run/haproxy.sock"
    )
    with pytest.raises(NoAnswer, match="python3: not found"):
        ask("show info")
