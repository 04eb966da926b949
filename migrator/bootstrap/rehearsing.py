"""What `run --rehearse` does: every application of a wave to its shadow, and on record how long that took."""

from __future__ import annotations

from pathlib import Path

from migrator.bootstrap.selection import Selection, the_wave
from migrator.bootstrap.session import Session, open_session
from migrator.domain.events import OnEvent
from migrator.domain.plan import Plan
from migrator.domain.reports import WaveReport
from migrator.domain.shadow import shadow_of
from migrator.domain.versions import versions
from migrator.orchestration.journey import Halt, Journey
from migrator.orchestration.rehearsal import Rehearsal
from migrator.steps.rehearsal import endpoint_facts


def rehearse(plan: Plan, selection: Selection, *, keep_shadow: bool, state: Path, on_event: OnEvent) -> WaveReport:
    """Rehearse the cutover of a wave; neither sources nor real targets are written, and nothing is switched."""
    shadow = shadow_of(plan)
    wave, applications = the_wave(shadow, selection)
    with open_session(shadow, state, "rehearse", [(wave, applications)], on_event, is_rehearsal=True) as session:

        def act(journey: Journey) -> Halt | None:
            _rehearse(
                session,
                Rehearsal(
                    journey.scene,
                    journey.gates,
                    journey.run_id,
                    keeps_shadow=keep_shadow,
                    stands_at=session.phase_of(journey.scene.application.name),
                ),
            )
            return None

        return session.sum_up("rehearse", session.travel(wave, applications, act))


def _rehearse(session: Session, rehearsal: Rehearsal) -> None:
    error: str | None = None
    facts = ""
    try:
        facts = endpoint_facts(rehearsal.scene)
        rehearsal.rehearse()
    except BaseException as failure:
        error = str(failure) or type(failure).__name__
        rehearsal.scene.note("what the rehearsal copied so far stays, and the next one goes on from it")
        raise
    finally:
        if not session.stop.is_asked:  # one that was stopped says nothing, and the one before it still counts
            record = rehearsal.record(session.plan.digest, versions(), facts, error)
            session.journal.record_rehearsal(rehearsal.scene.application.name, session.run_id, record)
