"""`migrator roll-back`: go back before the switch."""

from __future__ import annotations

from migrator.cli.options import Chosen, Consent, PlanFile
from migrator.cli.session import Session


def roll_back(session: Session, plan: PlanFile, chosen: Chosen, consent: Consent) -> int:
    """Go back before the switch. Thaws the source, and keeps what was copied."""
    from migrator import bootstrap

    loaded = bootstrap.load(plan)
    selection = bootstrap.Selection(chosen.wave, chosen.application)
    with session.screen.progress() as progress:
        report = bootstrap.roll_back(loaded, selection, yes=consent.yes, state=session.state, on_event=progress)
    session.screen.wave(report)
    return report.exit_code
