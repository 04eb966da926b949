"""`migrator doctor`: whether this machine is fit for the work."""

from __future__ import annotations

from typing import Annotated

import typer

from migrator.cli.session import Session
from migrator.errors import LocalFault

Rules = Annotated[bool, typer.Option("--rules", help="List the preflight rules instead, with their severity.")]
FailPoints = Annotated[
    bool, typer.Option("--fail-points", help="List the moments at which a test can have things fail.")
]


def doctor(session: Session, *, rules: Rules = False, fail_points: FailPoints = False) -> int:
    """Check this machine. Versions, the ssh client, the state folder; changes nothing."""
    from migrator import bootstrap

    if rules:
        session.screen.rules(bootstrap.rules())
        return 0
    if fail_points:
        for name, where in bootstrap.fail_points().items():
            session.screen.fact("fail_point", {"name": name, "where": where}, f"{name}: {where}")
        return 0
    findings = bootstrap.doctor(session.state)
    session.screen.findings(findings, "This machine is fit: nothing to complain about.")
    return LocalFault.exit_code if any(finding.severity == "error" for finding in findings) else 0
