"""The endpoints of a plan, as the coordinator uses them: opened at the first use, closed together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from migrator.domain.plan import EndpointSpec, Location
from migrator.endpoints.contract import Completed, Endpoint, Host, SourceTree, TargetTree
from migrator.endpoints.opening import names_on_the_way, open_endpoint
from migrator.movers.budget import Budgets, Idle

HERE = EndpointSpec(name="here")


class Hosts:
    """The endpoints as one application's thread uses them: a connection at a time, within the budget of each.

    A connection that serves whatever comes next is kept between two uses, as long as nobody else needs its place.
    """

    def __init__(
        self, specs: Mapping[str, EndpointSpec], budgets: Budgets, check: Callable[[], None] = lambda: None
    ) -> None:
        """`check` is called now and then while a connection is waited for, and may raise to end that."""
        self._specs = specs
        self._budgets = budgets
        self._check = check
        self._open: dict[str, Endpoint] = {}
        self._kept: dict[str, tuple[Idle, ExitStack]] = {}

    def place(self, name: str) -> Host:
        """Where commands are run and links switched; `here` is this machine, whatever the plan calls it."""
        return _Counted(self, name)

    @contextmanager
    def source(self, location: Location) -> Iterator[SourceTree]:
        """The tree at `location`, for reading only, on a connection of its own."""
        with self.endpoint(location.endpoint) as endpoint:
            tree = endpoint.source(location.path)
            try:
                yield tree
            finally:
                tree.close()

    @contextmanager
    def target(self, location: Location, temp_key: bytes) -> Iterator[TargetTree]:
        """The tree at `location`, for writing and reading again, on a connection of its own."""
        with self.endpoint(location.endpoint) as endpoint:
            tree = endpoint.target(location.path, temp_key)
            try:
                yield tree
            finally:
                tree.close()

    @contextmanager
    def lock(self, location: Location, temp_key: bytes, holder: str) -> Iterator[None]:
        """The lock on the target root at `location`, which is made if it is missing; Held when another run has it."""
        with ExitStack() as stack:
            with self.target(location, temp_key) as tree:
                tree.make_root()
                stack.enter_context(tree.hold(holder))  # outlives the tree
            stack.enter_context(self._budgets.lock(self._way(location.endpoint)))
            yield

    @contextmanager
    def endpoint(self, name: str) -> Iterator[Endpoint]:
        """The endpoint of that name, for one connection."""
        place = self._take_place(name)
        try:
            if name not in self._open:
                self._open[name] = open_endpoint(self.spec(name), self._specs, self._budgets.allowance)
            yield self._open[name]
        finally:
            self._keep_or_end(name, place)

    def spec(self, name: str) -> EndpointSpec:
        """The endpoint of that name as the plan writes it; `here` is this machine, whatever the plan calls it."""
        return HERE if name == HERE.name and name not in self._specs else self._specs[name]

    def close(self) -> None:
        """Close every connection."""
        for idle, place in self._kept.values():
            if self._budgets.take_back(idle):
                place.close()
        for endpoint in self._open.values():
            endpoint.close()
        self._kept.clear()
        self._open.clear()

    def _take_place(self, name: str) -> ExitStack:
        """The place in the budgets for a connection: that of the kept one, or a new one."""
        if name in self._kept:
            idle, place = self._kept.pop(name)
            if self._budgets.take_back(idle):
                return place
        with ExitStack() as stack:
            stack.enter_context(self._budgets.connection(self._way(name), self._check))
            return stack.pop_all()

    def _keep_or_end(self, name: str, place: ExitStack) -> None:
        endpoint = self._open.get(name)
        if endpoint is None:
            place.close()
            return

        def end() -> None:
            with place:
                endpoint.rest()

        if endpoint.has_spare:
            idle = Idle(self._way(name), end)
            self._kept[name] = (idle, place)
            self._budgets.keep(idle)
        else:
            end()

    def _way(self, name: str) -> tuple[str, ...]:
        return names_on_the_way(self._specs[name], self._specs) if name in self._specs else ()


class _Counted:
    """A Host of which each use is a connection within the budget."""

    def __init__(self, hosts: Hosts, name: str) -> None:
        self._hosts = hosts
        self._name = name

    @property
    def spec(self) -> EndpointSpec:
        """The endpoint as the plan writes it."""
        return self._hosts.spec(self._name)

    def run(self, argv: Sequence[str], timeout_seconds: float) -> Completed:
        """Run a command there; the wait for a connection does not count."""
        with self._hosts.endpoint(self._name) as endpoint:
            return endpoint.run(argv, timeout_seconds)

    def read_link(self, path: bytes) -> bytes | None:
        """The text of the symbolic link at `path`."""
        with self._hosts.endpoint(self._name) as endpoint:
            return endpoint.read_link(path)

    def point_link(self, path: bytes, to: bytes) -> None:
        """Make `path` a symbolic link to `to`."""
        with self._hosts.endpoint(self._name) as endpoint:
            endpoint.point_link(path, to)

    def remove_link(self, path: bytes) -> None:
        """Remove the symbolic link at `path`."""
        with self._hosts.endpoint(self._name) as endpoint:
            endpoint.remove_link(path)
