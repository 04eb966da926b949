"""`migrator fall-back`: go back after the switch."""

from __future__ import annotations

from typing import Annotated

import typer

from migrator.cli.options import Chosen, Consent, PlanFile
from migrator.cli.session import Session

AcceptLoss = Annotated[
    bool,
    typer.Option(
        "--accept-loss", help="Give up what was written at the target; it is listed, and approved as a switch is."
    ),
]


def fall_back(
    session: Session, plan: PlanFile, chosen: Chosen, consent: Consent, *, accept_loss: AcceptLoss = False
) -> int:
    """Go back after the switch. Shows what users wrote at the target; with --yes, brings it home and goes back."""
    from migrator import bootstrap

    loaded = bootstrap.load(plan)
    selection = bootstrap.Selection(chosen.wave, chosen.application)
    with session.screen.progress() as progress:
        report = bootstrap.fall_back(
            loaded, selection, yes=consent.yes, accepts_loss=accept_loss, state=session.state, on_event=progress
        )
    session.screen.wave(report)
    return report.exit_code
