"""A rehearsal: the whole cutover against a shadow of each target, with hooks and switches asked and never applied."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from migrator.domain.phases import Phase
from migrator.domain.reports import RecordedRehearsal, RehearsedStep
from migrator.journal.application import ApplicationJournal
from migrator.orchestration.itinerary import CATCH_UP_UNTIL_SMALL, Row
from migrator.orchestration.journey import Journey
from migrator.planning.timing import HISTORY
from migrator.steps.preflight import preflight
from migrator.steps.rehearsal import (
    ask_freeze,
    ask_switches,
    clear_shadow,
    finish_clearing,
    sync_unfrozen,
    verify_unfrozen,
)
from migrator.steps.seed import seed

# What comes in a cutover, step by step; the phases are those of the rehearsal's own record.
_STEPS: tuple[Row, ...] = (
    Row(Phase.PLANNED, "preflight", preflight, Phase.CHECKED, writes=True),
    Row(Phase.CHECKED, "seed", seed, Phase.SEEDED, writes=True),
    CATCH_UP_UNTIL_SMALL,
    Row(Phase.SEEDED, "freeze", ask_freeze, Phase.FROZEN),
    Row(Phase.FROZEN, "final-sync", sync_unfrozen, Phase.SYNCED, writes=True),
    Row(Phase.SYNCED, "verify", verify_unfrozen, Phase.VERIFIED),
    Row(Phase.VERIFIED, "switch-over", ask_switches, Phase.SEEDED),
)
_NOT_KNOWN = (
    "not rehearsed, and so not measured: freeze and thaw, the switches and their undoing (only their probes were "
    "asked), the checks after the switch, and whether the source stands still once it is frozen"
)


@dataclass
class Rehearsal(Journey):
    """The journey of one application to its shadow; gates, windows and needs do not hold it up."""

    keeps_shadow: bool = False
    stands_at: Phase = Phase.PLANNED  # the application itself, which a rehearsal does not move

    def rehearse(self) -> None:
        """Make every step of a cutover; raises what the first one that fails raises, and then leaves the shadow."""
        targets = ", ".join(str(dataset.target) for dataset in self.scene.application.datasets)
        self.scene.note(f"a rehearsal, which copies to {targets}: nothing is frozen, nothing is switched")
        finish_clearing(self.scene)
        for row in _STEPS:
            self._attempt(row)
        self.scene.note(_NOT_KNOWN)
        if not self.keeps_shadow:
            clear_shadow(self.scene)
            self.scene.journal.move(Phase.PLANNED, "the rehearsal's target was removed")

    def record(self, plan_digest: str, versions: str, endpoints: str, error: str | None) -> RecordedRehearsal:
        """What this rehearsal has to tell, for the record."""
        made = [each for each in self.scene.journal.attempts(HISTORY) if each.run_id == self.run_id]
        steps = tuple(
            RehearsedStep(each.step, (each.ended_at - each.started_at).total_seconds())
            for each in reversed(made)
            if each.ended_at is not None and each.error is None
        )
        return RecordedRehearsal(dt.datetime.now(dt.UTC), plan_digest, versions, endpoints, steps, error)

    @property
    def _told_phase(self) -> Phase:
        return self.stands_at

    @property
    def _frozen_at(self) -> dt.datetime | None:
        """Nothing is frozen in a rehearsal, whatever its own record calls a phase."""
        return None


def begin_again(journal: ApplicationJournal) -> None:
    """Make a record of rehearsals ready for another one; what was copied, and is still there, is not copied again."""
    if journal.phase is not Phase.PLANNED:
        journal.move(Phase.PLANNED, "another rehearsal begins")
