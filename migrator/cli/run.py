"""`migrator run`: take a wave along its itinerary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from migrator.cli.options import Chosen, Consent, PlanFile
from migrator.cli.session import Session
from migrator.cli.words import phases_starting, until_phase
from migrator.domain.phases import UNTIL, Phase


@dataclass(frozen=True, slots=True)
class Going:
    """How far `run` goes, and how."""

    until: Annotated[
        Phase | None,
        typer.Option(
            metavar="PHASE",
            parser=until_phase,
            autocompletion=phases_starting,
            help=f"Stop at this phase: {' '.join(UNTIL)}.",
        ),
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do none of it.")] = False
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Hash what a target root already holds, and keep what matches.")
    ] = False


def run(session: Session, plan: PlanFile, chosen: Chosen, going: Going, consent: Consent) -> int:
    """Take a wave along its itinerary, or go on with it. Stops before the first gate without approval."""
    from migrator import bootstrap

    loaded = bootstrap.load(plan)
    selection = bootstrap.Selection(chosen.wave, chosen.application)
    options = bootstrap.RunOptions(until=going.until, yes=consent.yes, adopt=going.adopt)
    if going.dry_run:
        preview = bootstrap.dry_run(loaded, selection, options, session.state)
        session.screen.plan(preview)
        return preview.exit_code
    with session.screen.progress() as progress:
        report = bootstrap.run(loaded, selection, options, session.state, progress)
    session.screen.wave(report)
    return report.exit_code
