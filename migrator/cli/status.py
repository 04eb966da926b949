"""`migrator status`: where everything stands."""

from __future__ import annotations

from migrator.cli.options import PlanFile
from migrator.cli.session import Session


def status(session: Session, plan: PlanFile) -> int:
    """Show where everything stands, and what to type next. Names the gate that each application waits for."""
    from migrator import bootstrap

    report = bootstrap.status(bootstrap.load(plan), session.state)
    session.screen.wave(report)
    return report.exit_code
