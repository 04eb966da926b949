"""Names that need each other: the circles among them, and an order that meets every need."""

from __future__ import annotations

import graphlib
import heapq
from collections.abc import Iterator, Mapping

Needs = Mapping[str, frozenset[str]]  # in the order of the plan; every needed name is a key
_MOST_CYCLES = 20


def cycles(needs: Needs) -> Iterator[list[str]]:
    """Circles, each as a path that ends where it begins; every name is in one of them at most."""
    left = dict(needs)
    place = {name: index for index, name in enumerate(needs)}
    for _ in range(_MOST_CYCLES):
        try:
            graphlib.TopologicalSorter(left).prepare()
        except graphlib.CycleError as error:
            # graphlib gives the path from what is needed to who needs it.
            path = list(reversed(error.args[1]))
            yield _from_first(path[:-1], place)
            for name in path:
                left[name] = frozenset()
        else:
            return


def ordered(needs: Needs) -> list[str]:
    """The names, each after those it needs, and otherwise in the order given; names in circles are left out."""
    place = {name: index for index, name in enumerate(needs)}
    names = list(needs)
    missing = {name: len(wanted) for name, wanted in needs.items()}
    needed_by: dict[str, list[str]] = {name: [] for name in needs}
    for name, wanted in needs.items():
        for each in wanted:
            needed_by[each].append(name)
    ready = [place[name] for name in names if missing[name] == 0]
    found: list[str] = []
    while ready:
        name = names[heapq.heappop(ready)]
        found.append(name)
        for waiting in needed_by[name]:
            missing[waiting] -= 1
            if missing[waiting] == 0:
                heapq.heappush(ready, place[waiting])
    return found


def _from_first(ring: list[str], place: dict[str, int]) -> list[str]:
    start = ring.index(min(ring, key=lambda name: place[name]))
    turned = ring[start:] + ring[:start]
    return [*turned, turned[0]]
