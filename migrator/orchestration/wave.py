"""The applications of a wave, side by side up to the plan's limit, each waiting for those it needs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass

from migrator.domain.phases import Phase
from migrator.domain.plan import Application, Plan, Wave
from migrator.domain.stopping import Stop
from migrator.errors import EndpointUnavailable, Interrupted
from migrator.orchestration.journey import Halt, Journey
from migrator.planning.order import by_needs

_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Outcome:
    """How one application fared; neither means that it is where it was to go."""

    application: Application
    halt: Halt | None = None
    error: BaseException | None = None


@dataclass
class Convoy:
    """Takes several applications along at once. An error of one does not stop the others."""

    plan: Plan
    wave: Wave
    set_out: Callable[[Application, Callable[[], str | None]], AbstractContextManager[Journey]]
    phase_of: Callable[[str], Phase]  # of an application that is not in this convoy
    stop: Stop
    side_by_side: int  # how many at once, at the most

    def travel(self, applications: Sequence[Application], act: Callable[[Journey], Halt | None]) -> list[Outcome]:
        """Have each application do `act`, in the order of their needs; the outcomes in that order."""
        ordered = by_needs(applications)
        self._arrived = {application.name: threading.Event() for application in ordered}
        # In this order: an application that waits for another then never keeps it from starting.
        with ThreadPoolExecutor(self.side_by_side, thread_name_prefix="application") as threads:
            futures = [threads.submit(self._take, application, act) for application in ordered]
            return [future.result() for future in futures]

    def _take(self, application: Application, act: Callable[[Journey], Halt | None]) -> Outcome:
        try:
            self.stop.check()
            with self.set_out(application, lambda: self._missing(application)) as journey:
                return Outcome(application, halt=act(journey))
        except Interrupted as interruption:
            return Outcome(application, error=interruption)
        except Exception as error:  # noqa: BLE001 - kept for the report; the other applications go on
            return Outcome(application, error=self._as_meant(error))
        finally:
            self._arrived[application.name].set()

    def _as_meant(self, error: Exception) -> Exception:
        """A connection that fails once somebody has asked to stop was not waited for: that is no failure of its own."""
        if not isinstance(error, EndpointUnavailable):
            return error
        try:
            self.stop.check()
        except Interrupted as interruption:
            return interruption
        return error

    def _missing(self, application: Application) -> str | None:
        """What must be switched over before this application may freeze; waits for those of this convoy."""
        for name in self._needed_by(application):
            arrived = self._arrived.get(name)
            while arrived is not None and not arrived.wait(_LOOK_SECONDS):
                self.stop.check()
            if not self.phase_of(name).is_at_least(Phase.SWITCHED_OVER):
                return f"waits until `{name}` is switched over"
        return None

    def _needed_by(self, application: Application) -> list[str]:
        earlier = [each.name for need in self.wave.needs for each in self.plan.wave(need).applications]
        return [*earlier, *application.needs]
