"""Whether a rehearsal still says something about the cutover to come."""

from __future__ import annotations

from migrator.domain.reports import RecordedRehearsal, RehearsalReport


def why_expired(rehearsal: RecordedRehearsal, plan_digest: str, versions: str, endpoints: str | None) -> str | None:
    """Why it counts no longer, for people; None when it holds. `endpoints` None: they were not asked."""
    if rehearsal.error is not None:
        return f"it failed: {rehearsal.error}"
    if rehearsal.plan_digest != plan_digest:
        return "the plan changed since"
    if rehearsal.versions != versions:
        return f"it was made with {rehearsal.versions}, and this is {versions}"
    if endpoints is not None and rehearsal.endpoints != endpoints:
        return "what answers at the endpoints changed since"
    return None


def report_of(rehearsal: RecordedRehearsal | None, plan_digest: str, versions: str) -> RehearsalReport | None:
    """The rehearsal as `status` tells of it, which asks no endpoint; None when there was none."""
    if rehearsal is None:
        return None
    return RehearsalReport(
        rehearsal.ended_at, rehearsal.steps, why_expired(rehearsal, plan_digest, versions, endpoints=None)
    )
