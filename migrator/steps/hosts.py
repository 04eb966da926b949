"""The endpoints of a plan, as the coordinator uses them: opened at the first use, closed together."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

from migrator.domain.plan import Application, EndpointSpec, Location, Wave
from migrator.endpoints.contract import Endpoint, SourceTree, TargetTree
from migrator.endpoints.opening import open_endpoint

HERE = EndpointSpec(name="here")


class Budget:
    """How many connections the coordinator itself may have to each endpoint, over all applications of a run."""

    def __init__(
        self, specs: Mapping[str, EndpointSpec], movers: int, locks: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        # A mover keeps one connection to each endpoint it works with, and so does a lock; what is left is for scans.
        self._slots = {
            name: threading.BoundedSemaphore(max(1, spec.limits.connections - movers - locks.get(name, 0)))
            for name, spec in specs.items()
        }

    @contextmanager
    def connection(self, endpoint: str) -> Iterator[None]:
        """Wait until one more connection is allowed, and take it."""
        with self._slots[endpoint]:
            yield


def locks_at_once(waves: Iterable[tuple[Wave, Sequence[Application]]], endpoint: str) -> int:
    """How many target roots at an endpoint a run may hold at one time: each costs a connection there."""
    most = 0
    for wave, applications in waves:
        roots = [sum(each.target.endpoint == endpoint for each in some.datasets) for some in applications]
        most = max(most, sum(sorted(roots, reverse=True)[: wave.parallel]))
    return most


class Hosts:
    """The endpoints as one application's thread uses them."""

    def __init__(self, specs: Mapping[str, EndpointSpec], budget: Budget) -> None:
        self._specs = specs
        self._budget = budget
        self._open: dict[str, Endpoint] = {}

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint of that name; `here` is this machine, whatever the plan calls it."""
        if name not in self._open:
            spec = HERE if name == HERE.name and name not in self._specs else self._specs[name]
            self._open[name] = open_endpoint(spec, self._specs)
        return self._open[name]

    @contextmanager
    def source(self, location: Location) -> Iterator[SourceTree]:
        """The tree at `location`, for reading only, on a connection of its own."""
        with self._budget.connection(location.endpoint):
            tree = self.endpoint(location.endpoint).source(location.path)
            try:
                yield tree
            finally:
                tree.close()

    @contextmanager
    def target(self, location: Location, temp_key: bytes) -> Iterator[TargetTree]:
        """The tree at `location`, for writing and reading again, on a connection of its own."""
        with self._budget.connection(location.endpoint):
            tree = self.endpoint(location.endpoint).target(location.path, temp_key)
            try:
                yield tree
            finally:
                tree.close()

    def close(self) -> None:
        """Close every connection."""
        for endpoint in self._open.values():
            endpoint.close()
        self._open.clear()
