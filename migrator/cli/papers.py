"""Texts that a command makes: printed, or written to a file that was not there."""

from __future__ import annotations

from pathlib import Path

from migrator.cli.session import Session


def hand_out(session: Session, text: str, out: Path | None, event: str) -> None:
    """Print `text`, or write it to `out` and say so; UsageError when that is there already."""
    from migrator import bootstrap

    if out is None:
        session.screen.page(event, text)
        return
    bootstrap.write_new(out, text)
    session.screen.fact(event, {"path": str(out)}, f"written: {out}")
