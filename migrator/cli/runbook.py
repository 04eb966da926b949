"""`migrator runbook`: the document for people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from migrator.cli.options import Chosen, PlanFile
from migrator.cli.papers import hand_out
from migrator.cli.session import Session


@dataclass(frozen=True, slots=True)
class Paper:
    """How it is to be written."""

    html: Annotated[bool, typer.Option("--html", help="As one HTML file that needs no other, to be printed.")] = False
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it there, to a file that is new (default: print it).")
    ] = None


def runbook(session: Session, plan: PlanFile, chosen: Chosen, paper: Paper) -> int:
    """Write the document for people. Times, gates, commands, the way back; contacts no host."""
    from migrator import bootstrap

    selection = bootstrap.Selection(chosen.wave, chosen.application)
    text = bootstrap.runbook(bootstrap.load(plan), selection, session.state, as_html=paper.html)
    hand_out(session, text, paper.out, "runbook")
    return 0
