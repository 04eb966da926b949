"""`migrator new`: a first plan by answering a few questions."""

from __future__ import annotations

import shlex
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from migrator.cli.papers import hand_out
from migrator.cli.session import Session
from migrator.errors import Interrupted, UsageError

NewPlan = Annotated[Path, typer.Argument(metavar="PLAN", help="The file to write; it must be new.")]


def new(session: Session, plan: NewPlan = Path("plan.yaml")) -> int:
    """Ask a few questions and write a first plan. Contacts no host, and writes over nothing."""
    from migrator import bootstrap

    if not sys.stdin.isatty():
        raise UsageError(
            "`new` asks questions, and there is nobody to answer: the input is no terminal",
            hint="type it in a terminal; or draft a plan from a list with `migrator import-inventory`",
        )
    if plan.exists():
        raise UsageError(f"{plan} is there already", hint="name another file; nothing is written over")
    text = bootstrap.draft_from_answers(
        bootstrap.Answers(
            migration=_ask("The name of the whole move", "moving-house"),
            application=_ask("The first application, by the name that people use", "portail"),
            source=_ask("Where it is now: a path here, or [user@]host:/path"),
            target=_ask("Where it goes: a path here, or [user@]host:/path"),
        )
    )
    hand_out(session, text, plan, "plan.drafted")
    session.screen.next(f"migrator plan {shlex.quote(str(plan))}")
    return 0


def _ask(question: str, default: str | None = None) -> str:
    """One answer, from the terminal; on stderr, so that stdout stays clean."""
    try:
        answer: str = typer.prompt(question, default=default, err=True)
    except typer.Abort as error:  # Ctrl-C, and Ctrl-D too
        raise Interrupted(signal.SIGINT) from error
    return answer.strip()
