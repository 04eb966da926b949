"""`migrator demo`: try the tool with nothing installed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from migrator.cli.session import Session


@dataclass(frozen=True, slots=True)
class Staying:
    """What the demo leaves behind."""

    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Work in this folder, and leave everything there.")
    ] = None


def demo(session: Session, staying: Staying) -> int:
    """Take a small wave through all phases. Against a provider of our own, on the loopback."""
    from migrator.cli.demo_commands import DemoCommands
    from migrator.demo.demo import run_demo

    with session.screen.progress() as progress:
        report = run_demo(DemoCommands(), staying.keep, progress.say, progress)
    session.screen.wave(report)
    return report.exit_code
