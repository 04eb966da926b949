"""`migrator import-inventory`: a first plan from the spreadsheet that everybody has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from migrator.cli.papers import hand_out
from migrator.cli.session import Session

Inventory = Annotated[
    Path, typer.Argument(metavar="FILE.csv", help="Servers and applications, as CSV.", show_default=False)
]


@dataclass(frozen=True, slots=True)
class Drafting:
    """What an inventory does not say."""

    migration: Annotated[
        str | None, typer.Option(metavar="NAME", help="The name of the migration (default: the file's name).")
    ] = None
    target: Annotated[
        str | None, typer.Option(metavar="[USER@]HOST", help="Where everything goes (default: this machine).")
    ] = None
    target_root: Annotated[str, typer.Option(metavar="DIR", help="The folder there, one below it each.")] = "/srv"
    wave_size: Annotated[
        int, typer.Option(metavar="N", min=1, help="Applications a wave, where the inventory has no waves.")
    ] = 10
    out: Annotated[
        Path | None, typer.Option(metavar="PLAN", help="Write it there, to a file that is new (default: print it).")
    ] = None


def import_inventory(session: Session, inventory: Inventory, drafting: Drafting) -> int:
    """Draft a plan with waves from an inventory. Contacts no host; what is left to fill in is said."""
    from migrator import bootstrap

    wanted = bootstrap.Wanted(drafting.migration, drafting.target, drafting.target_root, drafting.wave_size)
    hand_out(session, bootstrap.draft_from_inventory(inventory, wanted), drafting.out, "plan.drafted")
    return 0
