"""How the connections that an endpoint bears are shared out: to movers, to locks, and to the run's own looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from migrator.domain.plan import Application, EndpointSpec, Wave
from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named

_RULE = rule_named("connections")

# What a connection to an endpoint goes through, itself included; nothing for this machine.
Way = Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class Shares:
    """Who gets how many connections, such that their sum stays within each endpoint's limit where that can be."""

    movers: int  # each with at most one connection to an endpoint that is read, and one to an endpoint that is written
    side_by_side: Mapping[str, int]  # applications of a wave that may be under way at once
    own: Mapping[str, int]  # connections to an endpoint that the run may have beside movers and locks


class Demand:
    """What the applications chosen ask of the endpoints."""

    def __init__(
        self, specs: Mapping[str, EndpointSpec], chosen: Sequence[tuple[Wave, Sequence[Application]]], way: Way
    ) -> None:
        self._limits = {name: spec.limits.connections for name, spec in specs.items() if not spec.is_local}
        self._chosen = chosen
        self._way = way
        datasets = [each for _, some in chosen for application in some for each in application.datasets]
        read = {name for each in datasets for name in way(each.source.endpoint)}
        written = {name for each in datasets for name in way(each.target.endpoint)}
        self._by_mover = Counter([*read, *written])

    def shares(self, processors: int) -> Shares:
        """As many movers as there are `processors`, within what the least patient endpoint allows beside the rest."""
        side_by_side: dict[str, int] = {}
        for wave, some in self._chosen:
            most = min(wave.parallel, max(1, len(some)))
            side_by_side[wave.name] = next((n for n in range(most, 1, -1) if not self._lacking(some, n)), 1)
        locks = self._most_locks(side_by_side)
        left = {name: limit - 1 - locks[name] for name, limit in self._limits.items()}
        movers = max(1, min([processors, *(left[name] // cost for name, cost in self._by_mover.items())]))
        own = {name: max(1, 1 + left[name] - movers * self._by_mover[name]) for name in self._limits}
        return Shares(movers, side_by_side, own)

    def findings(self) -> Iterator[Finding]:
        """Where the limits slow a wave down, and where the least that an application takes is beyond them."""
        for wave, some in self._chosen:
            for application in some:
                for name, needed in self._lacking([application], 1).items():
                    yield _RULE.finds(
                        f"it takes {needed} connections to `{name}` at once, more than its `limits.connections` of "
                        f"{self._limits[name]}: one to look, one or two for a mover, and one for each target root",
                        "raise `limits.connections`, or move fewer datasets in one application",
                        application.name,
                    )
            most = min(wave.parallel, len(some))
            fits = self.shares(1).side_by_side[wave.name]
            if fits < most:
                names = ", ".join(f"`{name}`" for name in self._lacking(some, most))
                yield _RULE.finds(
                    f"wave `{wave.name}`: {fits} of its applications at a time, not {most}: "
                    f"`limits.connections` of {names} leaves no room for more locks",
                    "each target root that is being filled costs a connection for its lock",
                    None,
                )

    def _lacking(self, applications: Sequence[Application], at_once: int) -> dict[str, int]:
        """How many connections the least that works takes, for each endpoint where that is too many."""
        locks = self._locks(applications, at_once)
        needed = {name: 1 + cost + locks[name] for name, cost in self._by_mover.items()}
        touched = {
            name
            for application in applications
            for each in application.datasets
            for name in (*self._way(each.source.endpoint), *self._way(each.target.endpoint))
        }
        return {name: needed[name] for name in sorted(touched) if needed[name] > self._limits[name]}

    def _most_locks(self, side_by_side: Mapping[str, int]) -> Counter[str]:
        most: Counter[str] = Counter()
        for wave, some in self._chosen:
            most |= self._locks(some, side_by_side[wave.name])
        return most

    def _locks(self, applications: Sequence[Application], at_once: int) -> Counter[str]:
        """How many target roots behind each endpoint so many of the applications hold at once, at the most."""
        each = [
            Counter(name for dataset in application.datasets for name in self._way(dataset.target.endpoint))
            for application in applications
        ]
        names = {name for roots in each for name in roots}
        return Counter({name: sum(sorted((roots[name] for roots in each), reverse=True)[:at_once]) for name in names})
