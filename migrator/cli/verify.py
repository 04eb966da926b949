"""`migrator verify`: read again and compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from migrator.cli.options import Chosen, PlanFile
from migrator.cli.session import Session


@dataclass(frozen=True, slots=True)
class Reading:
    """What `verify` reads."""

    full: Annotated[
        bool, typer.Option("--full", help="Read both sides now, instead of the target against recorded digests.")
    ] = False


def verify(session: Session, plan: PlanFile, chosen: Chosen, reading: Reading) -> int:
    """Read again what was copied, and compare. Names every difference; resumable."""
    from migrator import bootstrap

    loaded = bootstrap.load(plan)
    selection = bootstrap.Selection(chosen.wave, chosen.application)
    with session.screen.progress() as progress:
        report = bootstrap.verify(loaded, selection, full=reading.full, state=session.state, on_event=progress)
    session.screen.wave(report)
    return report.exit_code
