"""`migrator decommission`: retire the source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from migrator.cli.options import Chosen, PlanFile
from migrator.cli.session import Session


@dataclass(frozen=True, slots=True)
class Closing:
    """What goes in and comes out when a source is retired."""

    attestation: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep and record what the provider has attested.")
    ] = None
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Put the close-out lists there as well.")] = None


def decommission(session: Session, plan: PlanFile, chosen: Chosen, closing: Closing) -> int:
    """Retire the source, once it is empty. This command is its own approval."""
    from migrator import bootstrap

    loaded = bootstrap.load(plan)
    selection = bootstrap.Selection(chosen.wave, chosen.application)
    papers = bootstrap.ClosePapers(closing.attestation, closing.out)
    with session.screen.progress() as progress:
        report = bootstrap.decommission(loaded, selection, papers, state=session.state, on_event=progress)
    session.screen.wave(report)
    return report.exit_code
