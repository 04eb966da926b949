"""What the endpoints of a plan bear, and how a run shares it out among its movers and its own threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from migrator.domain.plan import EndpointSpec
from migrator.endpoints.allowance import PATIENCE_SECONDS, UNLIMITED, Allowance
from migrator.errors import EndpointUnavailable
from migrator.movers.crowd import Crowd
from migrator.movers.door import Door
from migrator.movers.pacing import Pacer
from migrator.movers.purse import Purse

# While others of ours are connected, a refusal is theirs to cure: they leave when their batch ends.
CROWDED_SECONDS = 120.0
_LOOK_SECONDS = 0.25
# Longer than between two tries.
_WANTED_SECONDS = 6.0

Doors = Callable[[str], Path]  # where the lock of an endpoint's door lies


class Idle:
    """A connection that one of the run's own threads keeps although it does not use it."""

    def __init__(self, endpoints: Collection[str], end: Callable[[], None]) -> None:
        self.endpoints = endpoints
        self.end = end


class Budget:
    """What one endpoint bears, for a whole run."""

    def __init__(self, spec: EndpointSpec, own_connections: int, door: Path | None) -> None:
        self.name = spec.name
        self.pacer = Pacer(spec.limits.bandwidth)
        self.crowd = Crowd()
        self.door = Door(door)
        self.own = threading.BoundedSemaphore(own_connections)
        self.others = 0  # connections that stand whatever the movers do: of the run's own threads
        self.movers: set[object] = set()  # that may have a connection
        self.wanted_until = 0.0  # a thread of the run was refused, and will ask again


class Budgets:
    """The budgets of all endpoints of a plan. Safe for use from several threads."""

    def __init__(
        self,
        specs: Mapping[str, EndpointSpec],
        own_connections: Mapping[str, int] = MappingProxyType({}),
        doors: Doors | None = None,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`own_connections`: how many the run itself may have to an endpoint at once, beside movers and locks.

        `warn` is told, once for each endpoint, that it refuses connections.
        """
        self._warn = warn
        self._lock = threading.Lock()
        self._warned: set[str] = set()
        self._listeners: list[Callable[[], None]] = []
        self._idle: list[Idle] = []
        self._budgets = {
            name: Budget(spec, max(1, own_connections.get(name, 1)), doors(name) if doors is not None else None)
            for name, spec in specs.items()
        }

    def __getitem__(self, endpoint: str) -> Budget:
        return self._budgets[endpoint]

    def __contains__(self, endpoint: str) -> bool:
        return endpoint in self._budgets

    @property
    def limited(self) -> frozenset[str]:
        """The endpoints at which content has a rate to hold."""
        return frozenset(name for name, budget in self._budgets.items() if budget.pacer.rate is not None)

    def set_rate(self, endpoint: str, bytes_per_second: int | None) -> None:
        """Hold another rate at an endpoint from now on, for everything that is under way; None: no limit."""
        self._budgets[endpoint].pacer.set_rate(bytes_per_second)
        for listener in tuple(self._listeners):
            listener()

    def when_rates_change(self, listener: Callable[[], None]) -> None:
        """Have `listener` called after each change, in the thread that makes it."""
        self._listeners.append(listener)

    def allowance(self, endpoint: str) -> Allowance:
        """A part in the budget for one of the run's own threads; an endpoint that the plan does not know has none."""
        return OwnAllowance(self, endpoint) if endpoint in self._budgets else UNLIMITED

    @contextmanager
    def connection(self, endpoints: Collection[str], check: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Wait until the run may have one more connection to each, and take it; `check` raises when waiting is over.

        Whoever uses one must not ask for another to the same endpoint; a kept one makes room.
        """
        taken: list[Budget] = []
        try:
            for name in sorted(endpoints):
                while not self._budgets[name].own.acquire(timeout=0 if self._has_idle(name) else _LOOK_SECONDS):
                    if not self._end_idle(name):
                        check()
                taken.append(self._budgets[name])
            with self._standing(taken):
                yield
        finally:
            for budget in taken:
                budget.own.release()

    def keep(self, idle: Idle) -> None:
        """Let a connection stand that is not used at the moment; it is ended when somebody else needs its place."""
        with self._lock:
            self._idle.append(idle)

    def take_back(self, idle: Idle) -> bool:
        """Whether a kept connection still stands; its keeper may use it then."""
        with self._lock:
            if idle in self._idle:
                self._idle.remove(idle)
                return True
            return False

    @contextmanager
    def lock(self, endpoints: Collection[str]) -> Iterator[None]:
        """Note that a connection stands which holds a lock; there was room for it from the beginning."""
        with self._standing([self._budgets[name] for name in endpoints]):
            yield

    def refused(self, endpoint: str, mover: object | None) -> bool:
        """An endpoint turned a mover away, or (None) a thread of the run; whether others of us are there.

        Then it may pass when they have left: from now on fewer movers go there.
        """
        budget = self._budgets.get(endpoint)
        if budget is None:
            return False
        ended = 0
        while self._end_idle(endpoint):
            ended += 1
        with self._lock:
            budget.movers.discard(mover)  # it has let go of everything
            present = len(budget.movers)
            others = budget.others + ended
            if mover is None:
                others -= 1  # the one that was to be
                budget.wanted_until = time.monotonic() + _WANTED_SECONDS
            if present + others <= 0:
                return False
            allowed = budget.crowd.refused(present)
            is_new = endpoint not in self._warned
            self._warned.add(endpoint)
        if is_new:
            movers = "one mover" if allowed == 1 else f"{allowed} movers"
            self._warn(
                f"endpoint `{endpoint}` refuses connections: it gets {movers} at a time until it is calm; "
                "`limits.connections` may be too high"
            )
        return True

    def may_go(self, mover: object, endpoints: Collection[str], most: int) -> bool:
        """Whether one of `most` movers may be at all of these endpoints now; it counts as there from then on."""
        with self._lock:
            wanted = [self._budgets[name] for name in endpoints if name in self._budgets]
            if not all(each.crowd.has_room(len(each.movers - {mover}), most) for each in wanted):
                return False
            for each in wanted:
                each.movers.add(mover)
            return True

    def must_leave(self, mover: object, most: int) -> bool:
        """Whether a mover must let go of its connections, so that no more are at an endpoint than it bears now."""
        with self._lock:
            return any(mover in each.movers and each.crowd.is_too_many(len(each.movers), most) for each in self._all)

    def is_at(self, mover: object, endpoints: Collection[str]) -> bool:
        """Whether a mover may have a connection to one of these."""
        with self._lock:
            return any(mover in self._budgets[name].movers for name in endpoints if name in self._budgets)

    def is_wanted_back(self, mover: object) -> bool:
        """Whether a thread of the run is refused where a mover may have a connection that it does not use."""
        with self._lock:
            return any(mover in each.movers and each.wanted_until > time.monotonic() for each in self._all)

    def has_left(self, mover: object) -> None:
        """A mover has let go of all its connections."""
        with self._lock:
            for each in self._all:
                each.movers.discard(mover)

    def _has_idle(self, endpoint: str) -> bool:
        with self._lock:
            return any(endpoint in each.endpoints for each in self._idle)

    def _end_idle(self, endpoint: str) -> bool:
        """End one kept connection that goes to, or through, an endpoint; False when there is none."""
        with self._lock:
            found = next((each for each in self._idle if endpoint in each.endpoints), None)
            if found is None:
                return False
            self._idle.remove(found)
        found.end()
        return True

    @property
    def _all(self) -> Collection[Budget]:
        return self._budgets.values()

    @contextmanager
    def _standing(self, budgets: Collection[Budget]) -> Iterator[None]:
        with self._lock:
            for budget in budgets:
                budget.others += 1
        try:
            yield
        finally:
            with self._lock:
                for budget in budgets:
                    budget.others -= 1


class OwnAllowance:
    """A part in the budget of an endpoint for a thread of the coordinator."""

    def __init__(self, budgets: Budgets, endpoint: str) -> None:
        self._budgets = budgets
        self._name = endpoint
        self._budget = budgets[endpoint]
        self._purse = Purse(self._budget.pacer.take)

    @property
    def is_limited(self) -> bool:
        """Whether there is a rate to hold."""
        return self._budget.pacer.rate is not None

    def pay(self, size_bytes: int) -> None:
        """Wait until so much content may cross."""
        if self.is_limited:
            self._purse.pay(size_bytes)

    @contextmanager
    def door(self) -> Iterator[None]:
        """The turn to log in."""
        if not self._budget.door.enter():
            raise too_long_at_the_door(self._name)
        try:
            yield
        finally:
            self._budget.door.leave()

    def try_again_seconds(self, *, is_crowding: bool) -> float:
        """Longer while others of us are connected, who are asked to leave."""
        return CROWDED_SECONDS if is_crowding and self._budgets.refused(self._name, None) else PATIENCE_SECONDS


def too_long_at_the_door(endpoint: str) -> EndpointUnavailable:
    """The error for a turn that never came."""
    return EndpointUnavailable(
        f"endpoint `{endpoint}`: others of this migration are still logging in there",
        hint="logging in takes very long there: look at its load, then type the same command again",
    )
