"""What the work of a mover may use: trees on kept-open connections, a way to report, and the wish to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from migrator import failpoints
from migrator.domain.plan import EndpointSpec, Location
from migrator.endpoints.allowance import Allowances, unlimited
from migrator.endpoints.contract import Endpoint, SourceTree, TargetTree
from migrator.endpoints.opening import names_on_the_way, open_endpoint


class Hands:
    """One mover's connections, opened at the first use and kept until something goes wrong."""

    def __init__(
        self, endpoints: Mapping[str, EndpointSpec], say: Callable[[Any], None], allowances: Allowances = unlimited
    ) -> None:
        self._specs = endpoints
        self._say = say
        self._allowances = allowances
        self._stop = threading.Event()
        self._endpoints: dict[str, Endpoint] = {}
        self._sources: dict[Location, SourceTree] = {}
        self._targets: dict[tuple[Location, bytes], TargetTree] = {}

    def source(self, location: Location) -> SourceTree:
        """The tree at `location`, for reading; one connection an endpoint."""
        if location not in self._sources:
            self._drop_other_trees(self._sources, location)
            # On the way back the sides change their roles; no work needs one place in both.
            for key in [each for each in self._targets if each[0] == location]:
                self._targets.pop(key).close()
            self._sources[location] = self._endpoint(location.endpoint).source(location.path)
        return self._sources[location]

    def target(self, location: Location, temp_key: bytes) -> TargetTree:
        """The tree at `location`, for writing and for reading again; one connection an endpoint."""
        key = (location, temp_key)
        if key not in self._targets:
            self._drop_other_trees(self._targets, location)
            if location in self._sources:
                self._sources.pop(location).close()
            self._targets[key] = self._endpoint(location.endpoint).target(location.path, temp_key)
        return self._targets[key]

    def report(self, content: Any) -> None:
        """Tell the coordinator something now; only what is already durable may be told as done."""
        failpoints.at("report")
        self._say(content)

    @property
    def should_stop(self) -> bool:
        """Whether the work should end after the commit group under way."""
        return self._stop.is_set()

    def ask_to_stop(self) -> None:
        """Make `should_stop` true; may be called from another thread."""
        self._stop.set()

    def let_go(self) -> None:
        """Close every connection; the next use opens them anew."""
        for endpoint in self._endpoints.values():
            endpoint.close()
        self._endpoints.clear()
        self._sources.clear()
        self._targets.clear()

    def _endpoint(self, name: str) -> Endpoint:
        if name not in self._endpoints:
            self._endpoints[name] = open_endpoint(self._specs[name], self._specs, self._allowances)
        return self._endpoints[name]

    def _drop_other_trees(self, trees: dict[Any, Any], location: Location) -> None:
        # A tree holds a connection; a mover keeps one per endpoint and role, so that the plan's limits hold.
        way = self._way(location)
        for key in list(trees):
            held = key if isinstance(key, Location) else key[0]
            if way & self._way(held):
                trees.pop(key).close()

    def _way(self, location: Location) -> set[str]:
        return {location.endpoint, *names_on_the_way(self._specs[location.endpoint], self._specs)}
