"""The rules for `dns` switches: for each, facts that make it speak, and facts that just do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from migrator.domain.plan import Application, DnsSwitch, NameServer
from migrator.planning.rules.dns_facts import RecordFacts
from migrator.planning.rules.registry import examine_record
from migrator.steps.records import record_findings
from migrator.switching import dns

SERVER = NameServer("192.0.2.53", 53)
SWITCH = DnsSwitch(SERVER, "paris.example", "eau", "A", "10.18.0.7", 600, Path("/keys/the key"), (SERVER,))
FACTS = RecordFacts("portail", SWITCH, ("192.0.2.1",), 300, is_in_place=False, is_key_open=False)


def told(facts: RecordFacts) -> list[tuple[str, str]]:
    return [(finding.rule, finding.severity) for finding in examine_record(facts)]


@pytest.mark.parametrize(
    ("changes", "warned_of"),
    [
        ({}, []),
        ({"ttl_seconds": 301}, ["dns-ttl"]),
        ({"ttl_seconds": 61, "switch": replace(SWITCH, ttl_seconds=60)}, ["dns-ttl"]),
        ({"ttl_seconds": 60, "switch": replace(SWITCH, ttl_seconds=60)}, []),
        ({"ttl_seconds": 86400, "is_in_place": True}, []),
        ({"ttl_seconds": None, "values": ()}, []),
        ({"is_key_open": True}, ["dns-key"]),
    ],
)
def test_each_rule_speaks_when_it_must_and_only_then(changes: dict[str, object], warned_of: list[str]) -> None:
    found = told(replace(FACTS, **changes))  # type: ignore[arg-type]
    assert found == [("dns-record", "note"), *((rule, "warning") for rule in warned_of)]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "the record eau.paris.example A says 192.0.2.1 (TTL 300 s), and will say 10.18.0.7"),
        ({"values": ("a", "b")}, "the record eau.paris.example A says a, b (TTL 300 s), and will say 10.18.0.7"),
        ({"values": ()}, "the record eau.paris.example A does not exist, and will say 10.18.0.7"),
        ({"is_in_place": True}, "the record eau.paris.example A says 10.18.0.7 already"),
        (
            {"switch": replace(SWITCH, name="@"), "values": ()},
            "the record paris.example A does not exist, and will say 10.18.0.7",
        ),
    ],
)
def test_what_the_record_says_now_and_then_is_told(changes: dict[str, object], sentence: str) -> None:
    assert examine_record(replace(FACTS, **changes))[0].sentence == sentence  # type: ignore[arg-type]


def test_a_value_of_any_length_stays_on_its_line() -> None:
    facts = replace(FACTS, values=("x" * 60_000,), switch=replace(SWITCH, type="TXT", value="y" * 4_000))
    assert len(examine_record(facts)[0].sentence) < 400


def test_the_warnings_say_what_to_do() -> None:
    _, ttl, key = examine_record(replace(FACTS, ttl_seconds=7200, is_key_open=True))
    assert ttl.hint == "lower it to 300 s, at least 7200 s before the cutover"
    assert key.hint == "chmod o= '/keys/the key'"


@pytest.mark.parametrize("is_offline", [True, False])
def test_without_dnspython_a_plan_with_a_dns_switch_is_told_so(
    monkeypatch: pytest.MonkeyPatch, is_offline: bool
) -> None:
    monkeypatch.setattr(dns, "find_spec", {}.get)
    portal = Application("portail", "default", (), switches=(SWITCH,))
    (finding,) = record_findings(portal, is_offline=is_offline)
    assert (finding.severity, finding.application) == ("error", "portail")
    assert finding.sentence == "a `dns` switch needs dnspython, which is not installed"
    assert finding.hint == "install the extra: `pip install 'migrator[dns]'`"
    assert list(record_findings(replace(portal, switches=()), is_offline=is_offline)) == []
