"""What every command is given: where the state is, and the screen; and how a parsed command line becomes a call."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from migrator.console.screen import Look, Screen

STATE_VARIABLE = "MIGRATOR_STATE"
_DEFAULT_STATE = Path("state")


@dataclass(frozen=True, slots=True)
class Session:
    """The surroundings of one command."""

    state: Path
    screen: Screen


@dataclass(frozen=True, slots=True)
class Everywhere:
    """The options that every command takes, before its name or after it."""

    state: Annotated[
        Path | None,
        typer.Option(
            "--state", metavar="DIR", help=f"Where the journal lives (default: state; environment: {STATE_VARIABLE})."
        ),
    ] = None
    json: Annotated[bool, typer.Option("--json", help="Print JSON Lines on stdout, and nothing else there.")] = False
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more, on stderr.")] = False
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours; NO_COLOR does the same.")] = False

    def after(self, earlier: Everywhere) -> Everywhere:
        """Both together; what stands closer to the end of the line wins."""
        return Everywhere(
            self.state or earlier.state,
            self.json or earlier.json,
            self.verbose or earlier.verbose,
            self.no_color or earlier.no_color,
        )

    @property
    def look(self) -> Look:
        """How things are shown."""
        return Look(is_json=self.json, is_verbose=self.verbose, no_color=self.no_color)

    @property
    def state_folder(self) -> Path:
        """The folder that was asked for, here, in the environment or nowhere."""
        return self.state or Path(os.environ.get(STATE_VARIABLE) or _DEFAULT_STATE)


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command that was parsed and not yet carried out; `act` returns the exit code."""

    everywhere: Everywhere
    act: Callable[[Session], int]


def screen_for(look: Look) -> Screen:
    """The screen on this process's own streams."""
    from migrator.console.output import Output

    out, err = Output(sys.stdout), Output(sys.stderr)
    if look.is_json:
        from migrator.console.programs import ProgramScreen

        return ProgramScreen(out, err, look)
    from migrator.console.people import PersonScreen

    return PersonScreen(out, err, look)
