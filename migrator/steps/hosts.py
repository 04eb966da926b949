"""The endpoints of a plan, as the coordinator uses them: opened at the first use, closed together."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from migrator.domain.plan import EndpointSpec, Location
from migrator.endpoints.contract import Endpoint, SourceTree, TargetTree
from migrator.endpoints.opening import open_endpoint

HERE = EndpointSpec(name="here")


class Budget:
    """How many connections the coordinator itself may have to each endpoint, over all applications of a run."""

    def __init__(self, specs: Mapping[str, EndpointSpec], movers: int) -> None:
        # A mover keeps one connection to each endpoint it works with; what is left is for scans and for the lease.
        self._slots = {
            name: threading.BoundedSemaphore(max(1, spec.limits.connections - movers)) for name, spec in specs.items()
        }

    @contextmanager
    def connection(self, endpoint: str) -> Iterator[None]:
        """Wait until one more connection is allowed, and take it."""
        with self._slots[endpoint]:
            yield


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
