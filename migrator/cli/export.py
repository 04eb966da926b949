"""`migrator export`: every item as a JSON line."""

from __future__ import annotations

from migrator.cli.options import PlanFile
from migrator.cli.session import Session


def export(session: Session, plan: PlanFile) -> int:
    """Print every item as a JSON line. With its class, its digest, how it was verified, or why it was not."""
    from migrator import bootstrap

    session.screen.export(bootstrap.export(bootstrap.load(plan), session.state))
    return 0
