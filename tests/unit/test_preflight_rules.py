"""The rules about datasets and runs: for each, facts that make it speak, and facts that just do not."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

import migrator
from migrator.domain.entries import Entry, Kind
from migrator.domain.phases import Phase
from migrator.domain.plan import AcceptedFinding, Application, Calendar, Dataset, Location, Plan, Wave
from migrator.domain.rules import RULES, rule_named
from migrator.endpoints.contract import Abilities, Space
from migrator.errors import (
    EndpointUnavailable,
    HostKeyRefused,
    Incomplete,
    LoginRefused,
    MigratorError,
    SafetyStop,
    Unreachable,
)
from migrator.planning.order import by_needs
from migrator.planning.rules import clock_offset, clock_unknown, needs_open, no_look
from migrator.planning.rules.accepting import accepted
from migrator.planning.rules.clock_unknown import Clock
from migrator.planning.rules.facts import Facts
from migrator.planning.rules.registry import examine, examine_together

LOCAL = Abilities("local", "this machine", frozenset({"mode", "times", "owner", "setid"}), True, True, True, True)
EVERYTHING = LOCAL._replace(keeps=LOCAL.keeps | {"hardlinks", "xattrs", "acls", "holes"})
FAR = EVERYTHING._replace(lane="agent", peer="OpenSSH_9.2p1 Debian-2+deb12u3, Python 3.11.2")
DATASET = Dataset("files", Location("old", b"/var/www"), Location("new", b"/srv"))
SPACE = Space(free_bytes=1000, free_inodes=10, file_system=7)
ROOT = Entry(b"", Kind.DIRECTORY, 0, 1, 0o755, 0, 0, ctime_ns=2, inode=3, device=4)
FACTS = Facts(
    application="portail",
    dataset=DATASET,
    source=FAR,
    target=EVERYTHING,
    may_set_owner=True,
    strangers=(),
    is_adopting=False,
    source_host="old.example:22",
    target_host="local",
    space=SPACE,
    to_copy_bytes=1000,
    to_copy_items=10,
    items=10,
    items_in_all=10,
    files=1,
    last_items=20,
    source_may_be_written=False,
    source_root=ROOT,
    target_root=ROOT._replace(inode=5),
    folds_names=True,
)
WIKI = replace(
    FACTS,
    application="wiki",
    dataset=replace(DATASET, target=Location("new", b"/srv/wiki")),
    target_root=ROOT._replace(inode=6),
)
PAIR = {"alike": ((b"A", b"a"),), "alike_count": 1}


def keeping(*words: str) -> Dataset:
    return replace(DATASET, keep=words)


def told(facts: Facts) -> list[str]:
    return [finding.rule for finding in (*examine(facts), *examine_together([facts]))]


def test_nothing_speaks_against_facts_that_are_just_good_enough() -> None:
    assert told(FACTS) == []


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"dataset": keeping("acls"), "target": LOCAL}, ["keep-words"]),
        ({"dataset": keeping("acls"), "source": LOCAL}, ["keep-words", "unseen-losses"]),
        ({"dataset": keeping("mode", "times"), "target": LOCAL}, []),
        ({"source": LOCAL}, ["unseen-losses"]),
        ({"dataset": keeping("owner"), "may_set_owner": False}, ["owner"]),
        ({"dataset": keeping("owner")}, []),
        ({"dataset": keeping("mode"), "may_set_owner": False}, []),
        ({"may_set_owner": False}, []),
        ({"strangers": (b"a",)}, ["strangers"]),
        ({"strangers": (b"a",), "is_adopting": True}, []),
        ({"to_copy_bytes": 1001}, ["target-space"]),
        ({"to_copy_bytes": None, "to_copy_items": 11}, ["target-inodes"]),
        ({"to_copy_items": 11, "space": Space(1000, None)}, []),
        ({"to_copy_bytes": 1001, "space": None}, []),
        ({"to_copy_bytes": 1001, "is_adopting": True, "strangers": (b"a",)}, []),
        ({"to_copy_bytes": 1001, "is_adopting": True}, ["target-space"]),
        ({"source": FAR._replace(peer="OpenSSH_7.3")}, ["server-version"]),
        ({"source": FAR._replace(peer="OpenSSH_7.4")}, []),
        ({"source": FAR._replace(peer="OpenSSH_10.0p2")}, []),
        ({"target": FAR._replace(peer="OpenSSH_6.9p1")}, ["server-version"]),
        ({"source": FAR._replace(peer="mod_sftp")}, []),
        ({"source_may_be_written": True}, ["source-writable"]),
        ({"source_may_be_written": True, "writes_source": True}, []),
        ({"source_may_be_written": True, "source": EVERYTHING}, []),
        ({"source_may_be_written": None}, ["source-access-unknown"]),
        ({"source_may_be_written": None, "writes_source": True}, []),
        ({"files": 0}, ["source-empty"]),
        ({"last_items": 21}, ["source-shrunk"]),
        ({"last_items": 19, "items_in_all": 1}, []),
        ({"last_items": None, "items_in_all": 1}, []),
        (PAIR, ["names-collide"]),
        ({**PAIR, "folds_names": False}, ["names-alike"]),
        ({**PAIR, "folds_names": None}, ["names-alike"]),
        ({"is_comparison_complete": False}, ["names-alike"]),
        ({"target_root": ROOT}, ["overlap"]),
        ({"target_root": ROOT._replace(ctime_ns=9)}, []),
        ({"target_root": ROOT._replace(device=None, inode=None), "source_root": ROOT._replace(device=None)}, []),
    ],
)
def test_each_rule_speaks_when_it_must_and_only_then(changes: Mapping[str, object], wanted: list[str]) -> None:
    assert told(dataclasses.replace(FACTS, **changes)) == wanted  # type: ignore[arg-type]


def test_what_is_told_names_the_application_the_dataset_and_a_way_out() -> None:
    facts = replace(FACTS, dataset=keeping("acls", "owner"), target=LOCAL, may_set_owner=False, strangers=(b"x",))
    errors = [finding for finding in examine(facts) if finding.severity == "error"]
    assert [error.rule for error in errors] == ["keep-words", "owner", "strangers"]
    for error in errors:
        assert error.application == "portail"
        assert "`files`" in error.sentence
        assert error.hint


def test_two_applications_that_share_a_file_system_must_fit_together() -> None:
    half = replace(FACTS, to_copy_bytes=500, to_copy_items=5)
    other = replace(WIKI, to_copy_bytes=500, to_copy_items=5)
    assert examine_together([half, other]) == ()

    findings = examine_together([half, replace(other, to_copy_bytes=501, to_copy_items=6)])
    assert [(each.rule, each.application) for each in findings] == [
        ("target-space", "portail"),
        ("target-space", "wiki"),
        ("target-inodes", "portail"),
        ("target-inodes", "wiki"),
    ]
    assert findings[0].sentence == "1,001 bytes to copy, 1,000 free at new:/srv, new:/srv/wiki"


@pytest.mark.parametrize(
    "apart",
    [
        {"space": SPACE._replace(file_system=8)},
        {"space": SPACE._replace(file_system=None)},  # cannot be told: each root counts by itself
        {"target_host": "elsewhere:22"},
    ],
)
def test_what_goes_to_different_file_systems_is_not_added_up(apart: Mapping[str, object]) -> None:
    assert examine_together([FACTS, WIKI]), "on one file system they do not fit"
    assert examine_together([FACTS, dataclasses.replace(WIKI, **apart)]) == ()  # type: ignore[arg-type]


def test_room_is_what_there_was_when_somebody_first_looked() -> None:
    """In a run, the first application may have filled its part already when the second one looks."""
    half = replace(FACTS, to_copy_bytes=500, to_copy_items=5)
    later = replace(WIKI, to_copy_bytes=500, to_copy_items=5, space=SPACE._replace(free_bytes=500, free_inodes=5))
    assert examine_together([half, later]) == ()


@pytest.mark.parametrize(
    ("offset", "error", "wanted"),
    [
        (5.0, 0.0, []),
        (5.1, 0.0, ["clock-offset"]),
        (-5.1, 0.0, ["clock-offset"]),
        (5.4, 0.5, []),
        (None, 0.0, ["clock-unknown"]),
    ],
)
def test_a_clock_speaks_when_it_is_off_or_cannot_be_asked(
    offset: float | None, error: float, wanted: list[str]
) -> None:
    clock = Clock("old", offset, error)
    findings = [*clock_offset.about(clock, "portail"), *clock_unknown.about(clock, "portail")]
    assert [finding.rule for finding in findings] == wanted


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (HostKeyRefused("x"), "host-key"),
        (LoginRefused("x"), "login"),
        (Unreachable("x"), "unreachable"),
        (EndpointUnavailable("x"), "dataset-root"),
        (SafetyStop("x"), "hostile-listing"),
        (Incomplete("x"), "endpoint"),
    ],
)
def test_what_was_in_the_way_is_told_apart(error: MigratorError, wanted: str) -> None:
    assert no_look.about(error, "portail").rule == wanted


def plan_of(*waves: Wave, accepts: tuple[AcceptedFinding, ...] = ()) -> Plan:
    return Plan(Path("p"), "x", "UTC", (), (), waves, Calendar(), "", "", accepts)


def test_what_moves_with_another_wave_is_waited_for() -> None:
    portail = Application("portail", "default", (), needs=("annuaire", "wiki"))
    july = Wave("july", (Application("annuaire", "default", ()),))
    plan = plan_of(july, Wave("september", (portail, Application("wiki", "default", ()))))

    (finding,) = needs_open.about(plan, portail, lambda _: Phase.SEEDED)
    assert finding.sentence.startswith("`portail` still needs `annuaire`, which moves in wave `july` and is `seeded`")
    assert list(needs_open.about(plan, portail, lambda _: Phase.SWITCHED_OVER)) == []


def test_a_warning_is_accepted_by_the_nearest_word_and_nothing_else_is() -> None:
    words = [(AcceptedFinding("dns-ttl", level),) for level in ("application", "wave", "plan")]
    own, of_wave, of_plan = words
    near = Application("near", "default", (), accepted_findings=own)
    plan = plan_of(
        Wave("july", (near, Application("far", "default", ())), accepted_findings=of_wave),
        Wave("august", (Application("other", "default", ()),)),
        accepts=of_plan,
    )
    ttl, key = rule_named("dns-ttl"), rule_named("dns-key")
    findings = [ttl.finds("x", None, name) for name in ("near", "far", "other", None)]
    assert [each.waived for each in accepted(plan, findings)] == ["application", "wave", "plan", "plan"]
    assert [each.waived for each in accepted(plan, [key.finds("x", None, "near")])] == [None]
    forged = replace(findings[0], severity="error")
    assert [each.waived for each in accepted(plan, [forged])] == [None], "an error is never accepted"


def test_every_rule_has_one_place_and_is_told_of_in_a_line() -> None:
    package = Path(migrator.__file__).parent
    named = [
        name
        for path in sorted(package.rglob("*.py"))
        for name in re.findall(r'\brule_named\("([a-z0-9-]+)"\)', path.read_text(encoding="utf-8"))
    ]
    assert sorted(named) == sorted({rule.id for rule in RULES})
    for rule in RULES:
        assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", rule.id)
        assert "\n" not in rule.summary
        assert len(rule.summary) <= 100


def test_names_of_strangers_are_shown_without_what_a_terminal_would_obey() -> None:
    (finding,) = examine(replace(FACTS, strangers=(b"\x1b[2Jgone", b"b", b"c", b"d")))
    assert "\x1b" not in finding.sentence
    assert "`d`" not in finding.sentence, "three examples are enough"


def test_every_loss_is_told_in_advance() -> None:
    (finding,) = examine(replace(FACTS, source=LOCAL._replace(lane="sftp")))
    for loss in ("hard links", "extended attributes", "ACLs", "holes"):
        assert loss in finding.sentence
    assert "sftp -> local" in finding.sentence


def application(name: str, *needs: str) -> Application:
    return Application(name, "default", (), needs=needs)


def test_what_is_needed_comes_first_and_else_the_order_stays() -> None:
    order = by_needs([application("c", "a"), application("b"), application("a", "elsewhere"), application("d", "c")])
    names = [each.name for each in order]
    assert sorted(names) == ["a", "b", "c", "d"]
    assert names.index("a") < names.index("c") < names.index("d")
    assert [each.name for each in by_needs(map(application, "dbca"))] == list("dbca")
