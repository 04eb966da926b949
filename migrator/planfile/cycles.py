"""Cycles among names that need each other, and whom a name needs in the end."""

from __future__ import annotations

import graphlib
from collections.abc import Iterator, Mapping

Needs = Mapping[str, frozenset[str]]
_MOST_CYCLES = 20


def cycles(needs: Needs) -> Iterator[list[str]]:
    """Cycles, each as a path that ends where it begins; every name is in one of them at most."""
    left = dict(needs)
    for _ in range(_MOST_CYCLES):
        try:
            graphlib.TopologicalSorter(left).prepare()
        except graphlib.CycleError as error:
            # graphlib gives the path from what is needed to who needs it.
            path = list(reversed(error.args[1]))
            yield _from_first(path, list(needs))
            for name in path:
                left[name] = frozenset()
        else:
            return


def needed_in_the_end(needs: Needs, name: str) -> frozenset[str]:
    """All that `name` needs, directly or by way of others."""
    found: set[str] = set()
    waiting = list(needs.get(name, ()))
    while waiting:
        next_name = waiting.pop()
        if next_name not in found:
            found.add(next_name)
            waiting.extend(needs.get(next_name, ()))
    return frozenset(found)


def _from_first(path: list[str], order: list[str]) -> list[str]:
    ring = path[:-1]
    start = ring.index(min(ring, key=order.index))
    turned = ring[start:] + ring[:start]
    return [*turned, turned[0]]
