"""The preflight rules: for each, facts that make it speak, and facts that just do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from migrator.domain.plan import Application, Dataset, Location
from migrator.endpoints.contract import Abilities, Space
from migrator.planning.order import by_needs
from migrator.planning.preflight import Facts, examine

LOCAL = Abilities("local", "this machine", frozenset({"mode", "times", "owner", "setid"}), True, True, True, True)
EVERYTHING = LOCAL._replace(keeps=LOCAL.keeps | {"hardlinks", "xattrs", "acls", "holes"})
DATASET = Dataset("files", Location("old", b"/var/www"), Location("new", b"/srv"))
FACTS = Facts(
    application="portail",
    dataset=DATASET,
    source=EVERYTHING,
    target=EVERYTHING,
    may_set_owner=True,
    strangers=(),
    is_adopting=False,
    space=Space(free_bytes=1000, free_inodes=10),
    to_copy_bytes=1000,
    to_copy_items=10,
)


def keeping(*words: str) -> Dataset:
    return replace(DATASET, keep=words)


def told(facts: Facts) -> list[tuple[str, str]]:
    return [(finding.rule, finding.severity) for finding in examine(facts)]


def test_nothing_speaks_against_facts_that_are_just_good_enough() -> None:
    assert told(FACTS) == []


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"dataset": keeping("acls"), "source": LOCAL}, [("keep-words", "error"), ("losses", "note")]),
        ({"dataset": keeping("acls"), "target": LOCAL}, [("keep-words", "error"), ("losses", "note")]),
        ({"dataset": keeping("mode", "times"), "target": LOCAL}, [("losses", "note")]),
        ({"dataset": keeping("owner"), "may_set_owner": False}, [("owner", "error")]),
        ({"dataset": keeping("owner")}, []),
        ({"dataset": keeping("mode"), "may_set_owner": False}, []),
        ({"may_set_owner": False}, []),
        ({"strangers": (b"a",)}, [("strangers", "error")]),
        ({"strangers": (b"a",), "is_adopting": True}, []),
        ({"to_copy_bytes": 1001}, [("target-space", "error")]),
        ({"to_copy_bytes": None, "to_copy_items": 11}, []),
        ({"to_copy_items": 11}, [("target-inodes", "error")]),
        ({"to_copy_items": 11, "space": Space(1000, None)}, []),
        ({"to_copy_bytes": 1001, "space": None}, []),
    ],
)
def test_each_rule_speaks_when_it_must_and_only_then(changes: dict[str, object], wanted: list[tuple[str, str]]) -> None:
    assert told(replace(FACTS, **changes)) == wanted  # type: ignore[arg-type]


def test_what_is_told_names_the_application_the_dataset_and_a_way_out() -> None:
    facts = replace(
        FACTS,
        dataset=keeping("acls", "owner"),
        target=LOCAL,
        may_set_owner=False,
        strangers=(b"x",),
        to_copy_bytes=9999,
    )
    errors = [finding for finding in examine(facts) if finding.severity == "error"]
    assert [error.rule for error in errors] == ["keep-words", "owner", "strangers", "target-space"]
    for error in errors:
        assert error.application == "portail"
        assert "`files`" in error.sentence
        assert error.hint


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
