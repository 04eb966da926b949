"""The command line as a whole: which commands there are, and what they share."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Annotated

import typer
from typer.main import get_command

from migrator import __version__
from migrator.cli.accept import accept
from migrator.cli.approve import approve
from migrator.cli.decommission import decommission
from migrator.cli.demo import demo
from migrator.cli.doctor import doctor
from migrator.cli.export import export
from migrator.cli.fall_back import fall_back
from migrator.cli.import_inventory import import_inventory
from migrator.cli.later import LATER, refusal
from migrator.cli.limit import limit
from migrator.cli.new import new
from migrator.cli.options import callback_of, command_of
from migrator.cli.plan import plan
from migrator.cli.roll_back import roll_back
from migrator.cli.run import run
from migrator.cli.runbook import runbook
from migrator.cli.schema import schema
from migrator.cli.session import Everywhere, Invocation
from migrator.cli.status import status
from migrator.cli.verify import verify
from migrator.errors import UsageError

NAME = "migrator"

# The backspace keeps Typer from filling the lines.
EXIT_CODES = """\b
Exit codes:
  0    done; or stopped, as asked, at a gate
  1    a bug in migrator (the traceback is in a log)
  2    wrong usage
  3    incomplete: items failed, or differences were found
  4    a gate or a guard refused
  5    the window is over; run again in the next one
  6    another run holds this state or this target
  7    the plan changed since it was recorded
  8    safety stop: host key changed, hostile listing, source empty
  9    this machine: disk full, state unreadable, corrupt or newer
  10   an endpoint cannot be reached or refuses us
  11   the plan is invalid
  12   plan --detailed-exitcode: there is work to do
  130  stopped by SIGINT, 143 by SIGTERM: the same command goes on
"""

# In the order in which `--help` lists them: the way of a wave, then what serves all the time.
COMMANDS: tuple[tuple[str, Callable[..., int]], ...] = (
    ("plan", plan),
    ("run", run),
    ("verify", verify),
    ("status", status),
    ("approve", approve),
    ("limit", limit),
    ("roll-back", roll_back),
    ("fall-back", fall_back),
    ("accept", accept),
    ("decommission", decommission),
    ("runbook", runbook),
    ("export", export),
    ("schema", schema),
    ("new", new),
    ("import-inventory", import_inventory),
    ("doctor", doctor),
    ("demo", demo),
)


def parse(arguments: list[str]) -> Invocation | int:
    """The command that was typed, not yet carried out; an exit code when there is nothing to carry out (`--help`).

    Raises UsageError, also when no command was typed.
    """
    command = get_command(_application())
    try:
        parsed: Invocation | int = command.main(arguments, prog_name=NAME, standalone_mode=False)
    except typer.TyperException as error:
        raise _usage_error(error) from error
    return parsed


def _application() -> typer.Typer:
    application = typer.Typer(name=NAME, rich_markup_mode=None, pretty_exceptions_enable=False, epilog=EXIT_CODES)
    application.callback()(callback_of(_before_the_command))
    for name, function in COMMANDS:
        application.command(name, epilog=EXIT_CODES)(command_of(function))
    for name, does, hint in LATER:
        settings = {"ignore_unknown_options": True}
        application.command(name, context_settings=settings, epilog=EXIT_CODES)(command_of(refusal(name, does, hint)))
    return application


def _show_version(*, is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"{NAME} {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", help="Print the version.", is_eager=True, callback=lambda value: _show_version(is_wanted=value)
    ),
]


def _before_the_command(context: typer.Context, everywhere: Everywhere, *, version: Version = False) -> None:
    """Move applications and their data from one hosting provider to another: wave by wave, verified, resumable."""
    del version  # its callback has done it all
    context.obj = everywhere


def _usage_error(error: typer.TyperException) -> UsageError:
    """Typer's complaint in our words: what is wrong, then a hint."""
    context = getattr(error, "ctx", None)
    option, possible = getattr(error, "option_name", ""), getattr(error, "possibilities", None) or ()
    said, _, suggestion = error.format_message().replace("'", "`").rstrip(".").partition(". ")
    said = said.partition(" (Possible options: ")[0]
    if close := difflib.get_close_matches(option, possible, n=1):
        suggestion = f"did you mean `{close[0]}`?"
    hint = suggestion or f"`{NAME if context is None else context.command_path} --help` shows what it takes"
    return UsageError(said[:1].lower() + said[1:], hint=hint[:1].lower() + hint[1:])
