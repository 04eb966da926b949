"""`migrator accept`: the end of the soak."""

from __future__ import annotations

from migrator.cli.options import Chosen, PlanFile
from migrator.cli.session import Session


def accept(session: Session, plan: PlanFile, chosen: Chosen) -> int:
    """End the soak: the target is the truth. This command is its own approval."""
    from migrator import bootstrap

    loaded = bootstrap.load(plan)
    selection = bootstrap.Selection(chosen.wave, chosen.application)
    with session.screen.progress() as progress:
        report = bootstrap.accept(loaded, selection, state=session.state, on_event=progress)
    session.screen.wave(report)
    return report.exit_code
