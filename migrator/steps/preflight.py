"""`preflight`: read-only checks that the copy can succeed."""

from __future__ import annotations

from migrator.domain.events import Note
from migrator.domain.phases import Phase
from migrator.domain.reports import Finding
from migrator.errors import Refused
from migrator.planning.rules import waiver
from migrator.planning.rules.accepting import accepted
from migrator.steps.looking import Looker
from migrator.steps.records import record_findings
from migrator.steps.scene import Scene
from migrator.switching.readiness import unready


def preflight(scene: Scene) -> None:
    """Return when no rule objects; every warning and note is told. Raises Refused with all errors at once."""
    scene.pool.get_ready()  # they start while we look
    looker = Looker(
        scene.plan,
        scene.application,
        scene.hosts,
        scene.looked,
        scene.on_event,
        scene.source,
        scene.target,
        scene.journal.temp_key,
        scene.adopt,
        scene.stop.check,
    )
    findings = [*waiver.about(scene.application), *unready(scene.application, scene.place, Phase.PLANNED)]
    for dataset in scene.application.datasets:
        findings += looker.look(dataset, scene.journal.manifest(dataset.name), is_first=True).findings
    findings += looker.look_together()
    findings += record_findings(scene.application)
    judged = list(accepted(scene.plan, findings))
    for finding in judged:
        if finding.severity != "error":
            scene.on_event(note_of(finding))
    errors = [finding for finding in judged if finding.severity == "error"]
    if errors:
        raise Refused("; ".join(error.sentence for error in errors), hint=errors[0].hint)


def note_of(finding: Finding) -> Note:
    """What the operator is told of a finding in the course of a run."""
    if finding.waived is None:
        return Note(finding.sentence, finding.application, finding.severity)
    return Note(f"{finding.sentence} (accepted by the plan: {finding.waived})", finding.application)
