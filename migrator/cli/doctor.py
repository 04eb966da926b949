"""`migrator doctor`: whether this machine is fit for the work."""

from __future__ import annotations

from migrator.cli.session import Session
from migrator.errors import LocalFault


def doctor(session: Session) -> int:
    """Check this machine. Versions, the ssh client, the state folder; changes nothing."""
    from migrator import bootstrap

    findings = bootstrap.doctor(session.state)
    session.screen.findings(findings, "This machine is fit: nothing to complain about.")
    return LocalFault.exit_code if any(finding.severity == "error" for finding in findings) else 0
