"""Whether an application still stands where a saved plan left it, and that nobody else moves it meanwhile."""

from __future__ import annotations

from migrator.domain.phases import Phase
from migrator.domain.saved import SavedPlan
from migrator.errors import PlanChanged
from migrator.journal.application import ApplicationJournal, ApplicationView

# Which saved plan is being carried out. What its own run records does not make it stale: after any interruption the
# same command goes on.
_MARK = "carries out"


def row_of(standing: ApplicationView | ApplicationJournal | None) -> int:
    """What a saved plan remembers of an application: the last row of its chain, 0 where nothing was tried yet."""
    # A journal that was only just made begins its chain, and says no more than that the application is planned.
    if standing is None or (standing.phase is Phase.PLANNED and not standing.attempts(1)):
        return 0
    return standing.last_row()


def stale_because(saved: SavedPlan, name: str, standing: ApplicationView | ApplicationJournal | None) -> str | None:
    """Why what was saved of the application no longer holds, in words; None when it does."""
    if standing is not None and standing.marked(_MARK) == saved.digest:
        return None
    phase = standing.phase if standing is not None else Phase.PLANNED
    was = next(application.phase for application in saved.report.applications if application.name == name)
    if phase is not was:
        return f"`{name}` was `{was}`, and is `{phase}`"
    if row_of(standing) != saved.rows[name]:
        last = standing.attempts(1) if standing is not None else []
        return f"`{name}` was worked on since{f': the last step was `{last[0].step}`' if last else ''}"
    return None


def hold_to(saved: SavedPlan | None, journal: ApplicationJournal) -> None:
    """Note under the application's lock which saved plan, or none, is carried out; PlanChanged when it is stale."""
    if saved is None:
        if journal.marked(_MARK) is not None:
            journal.mark(_MARK, None)
        return
    reason = stale_because(saved, journal.application, journal)
    if reason is not None:
        raise stale([reason])
    journal.mark(_MARK, saved.digest)


def stale(reasons: list[str]) -> PlanChanged:
    """The error for a saved plan that no longer holds."""
    return PlanChanged(
        f"the saved plan no longer holds: {'; '.join(reasons)}",
        hint="look at what would be done now with `migrator plan`, and save that with `--out` to carry it out",
    )
