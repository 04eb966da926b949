"""Commands that the interface promises and this version does not carry out yet: they say so, and do nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from migrator.cli.session import Session
from migrator.errors import Refused

Anything = Annotated[list[str] | None, typer.Argument(metavar="PLAN", show_default=False)]

# Name, what it will do, what serves meanwhile.
LATER = (
    (
        "report",
        "Write the evidence, signed",
        "`migrator export` lists every item with its digest, `migrator status --json` where each application stands",
    ),
    (
        "audit",
        "Check the custody chain and its signatures",
        "`migrator verify --full` reads both sides again and compares them",
    ),
)


def refusal(name: str, does: str, hint: str) -> Callable[..., int]:
    """The command `name`, which refuses."""

    def refuse(session: Session, rest: Anything = None) -> int:
        del session, rest
        raise Refused(f"`{name}` is not carried out yet", hint=hint)

    refuse.__doc__ = f"(Not yet) {does}."
    return refuse
