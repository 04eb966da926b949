"""Warnings that the plan accepts: still shown, with the reason, and nobody has to look at them again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from migrator.domain.plan import Plan
from migrator.domain.reports import Finding


def accepted(plan: Plan, findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings, those warnings that the plan accepts with its reason."""
    for finding in findings:
        reason = plan.reason_to_accept(finding.rule, finding.application) if finding.severity == "warning" else None
        yield finding if reason is None else replace(finding, waived=reason)
