"""Work that is out with the movers; what a lost mover or connection left undone is given out again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any

from migrator.domain.stopping import Stop
from migrator.errors import EndpointUnavailable
from migrator.movers.mover import MoverDied
from migrator.movers.pool import Leg, MoverPool

_TRIES = 3
_LOOK_SECONDS = 0.5
_PARTING_SECONDS = 10.0


@dataclass
class Errand:
    """One job and the things it is about, by path, that nobody has answered for yet.

    `take` records one report and says which paths it answers for; it is called in another thread, one report at a
    time, and never after the errand was given up.
    """

    work: Callable[..., None]
    left: dict[bytes, Any]
    job: Callable[[Sequence[Any]], Any]  # what a mover is told, made from what is left
    take: Callable[[Any], Iterable[bytes]]
    tries: int = 0  # in a row that got nowhere

    def record(self, report: Any) -> None:
        """Hear a mover."""
        for path in self.take(report):
            self.left.pop(path, None)


class Errands:
    """The errands of one pass or verification. Only the thread that made it may use it."""

    def __init__(self, pool: MoverPool | Leg, stop: Stop, warn: Callable[[str], None]) -> None:
        self._pool = pool
        self._stop = stop
        self._warn = warn
        self.has_lost_any = False  # a mover or a connection, with whatever it had begun
        self._out: dict[Future[None], tuple[Errand, int]] = {}  # with how much was left when it was sent

    @property
    def enough(self) -> int:
        """How many errands keep every mover busy, one under way and one waiting for each, and memory flat."""
        return 2 * self._pool.size

    @property
    def has_room(self) -> bool:
        """Whether another errand would find its place; never waits."""
        if len(self._out) >= self.enough:
            self._collect(0)
        return len(self._out) < self.enough

    def send(self, errand: Errand) -> None:
        """Give an errand to the movers; nothing is sent when there is nothing to do."""
        if errand.left:
            job = errand.job(list(errand.left.values()))
            self._out[self._pool.submit(errand.work, job, on_report=errand.record)] = (errand, len(errand.left))

    def wait_for_room(self) -> None:
        """Wait until another errand finds its place; raises Interrupted, or the error of an errand."""
        self._wait(self.enough - 1)

    def finish(self) -> None:
        """Wait until everything is answered for; raises Interrupted, or the first error of an errand."""
        self._wait(0)

    def give_up(self) -> None:
        """End everything that is out; another error is on its way up. What was committed is recorded, the rest lost."""
        for future in self._out:
            future.cancel()
        running = wait(self._out, _PARTING_SECONDS).not_done
        self._pool.abort(running)
        self._out.clear()

    def _wait(self, count: int) -> None:
        while len(self._out) > count:
            self._collect(_LOOK_SECONDS)
            self._stop.check_time()  # a request to stop ends the errands themselves; this does not
        self._stop.check()

    def _collect(self, seconds: float) -> None:
        done, _ = wait(self._out, seconds, FIRST_COMPLETED)
        for future in done:
            errand, had_left = self._out.pop(future)
            error = None if future.cancelled() else future.exception()
            if error is not None or errand.left:
                self._again(errand, had_left, error)

    def _again(self, errand: Errand, had_left: int, error: BaseException | None) -> None:
        """Send the rest of an errand once more, when its mover or its connection was lost and there is hope."""
        self._stop.check()
        if not isinstance(error, MoverDied | EndpointUnavailable):
            raise error or RuntimeError(f"a mover said nothing of {len(errand.left)} items it was given")
        self.has_lost_any = True
        errand.tries = 0 if len(errand.left) < had_left else errand.tries + 1
        if errand.tries >= _TRIES:
            raise error
        self._warn(f"{error}; its remaining {len(errand.left)} items are given out again")
        self.send(errand)
