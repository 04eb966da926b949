"""Two datasets in one folder would undo each other's work; a plan shows it only where the words are the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from migrator.domain.entries import Entry
from migrator.domain.plan import Location
from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named
from migrator.planning.rules.facts import Facts

RULE = rule_named("overlap")


def about(everything: Sequence[Facts]) -> Iterator[Finding]:
    """Speaks where a target root is another root, by another name of the host, or by a link on the way."""
    roots = [each for facts in everything for each in _roots(facts)]
    for (one, first, first_is_target, place), (other, second, second_is_target, where) in combinations(roots, 2):
        if (first_is_target or second_is_target) and place != where and _is_same(first, second):
            for facts in dict.fromkeys((one, other)):
                hint = "give every dataset a target of its own, outside of all others"
                yield facts.finds(RULE, f"{place} and {where} are one and the same folder", hint)


def _roots(facts: Facts) -> Iterator[tuple[Facts, Entry, bool, Location]]:
    if facts.source_root is not None:
        yield facts, facts.source_root, False, facts.dataset.source
    if facts.target_root is not None:
        yield facts, facts.target_root, True, facts.dataset.target


def _is_same(one: Entry, other: Entry) -> bool:
    """Numbers alone may be the same on two machines by chance; the times of the folder as well are not."""
    facts = (one.device, one.inode, one.ctime_ns, one.mtime_ns)
    return None not in facts and facts == (other.device, other.inode, other.ctime_ns, other.mtime_ns)
