"""Texts that a command makes: printed, or written to a file that was not there."""

from __future__ import annotations

import os
from pathlib import Path

from migrator.cli.session import Session
from migrator.domain.entries import display
from migrator.errors import UsageError


def hand_out(session: Session, text: str, out: Path | None, event: str) -> None:
    """Print `text`, or write it to `out` and say so; UsageError when that is there already."""
    if out is None:
        session.screen.page(event, text)
        return
    _write_new(out, text)
    session.screen.fact(event, {"path": str(out)}, f"written: {out}")


def _write_new(path: Path, text: str) -> None:
    """Write a file that was not there; UsageError when it is, or cannot be made."""
    shown = display(os.fsencode(path))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError(f"{shown} is there already", hint="name another file; nothing is written over") from error
    except OSError as error:
        hint = "name a file in a folder that this account may write"
        raise UsageError(f"{shown} cannot be written: {error.strerror}", hint=hint) from error
