"""`preflight`: read-only checks that the copy can succeed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from migrator.domain.entries import Entry
from migrator.domain.events import Note
from migrator.domain.plan import Dataset
from migrator.endpoints.contract import TargetTree
from migrator.errors import Refused
from migrator.planning.preflight import Facts, examine
from migrator.steps.records import record_findings
from migrator.steps.scene import Scene, may_give_away
from migrator.switching.readiness import unready

_STRANGERS_NAMED = 4


def preflight(scene: Scene) -> None:
    """Return when no rule objects; every warning and note is told. Raises Refused with all errors at once."""
    scene.pool.get_ready()  # they start while we look
    findings = list(unready(scene.application, scene.place))
    for dataset in scene.application.datasets:
        findings += examine(facts_about(scene, dataset))
    findings += record_findings(scene.application)
    for finding in findings:
        if finding.severity != "error":
            scene.on_event(Note(finding.sentence, scene.application.name, finding.severity))
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise Refused("; ".join(error.sentence for error in errors), hint=errors[0].hint)


def facts_about(scene: Scene, dataset: Dataset) -> Facts:
    """What the rules need to know about one dataset, by one login at either side; reads, and changes nothing."""
    with scene.source(dataset) as source:
        next(iter(source.scan()))  # raises when the root is missing, no folder, or cannot be listed
    with scene.target(dataset) as target:
        space = target.space()
        found = strangers(target, scene.journal.manifest(dataset.name).knows)
    return Facts(
        application=scene.application.name,
        dataset=dataset,
        source=scene.source_abilities(dataset),
        target=scene.target_abilities(dataset),
        may_set_owner=may_give_away(scene.plan.endpoint(dataset.target.endpoint)),
        strangers=found,
        is_adopting=scene.adopt,
        space=space,
    )


def strangers(tree: TargetTree, known: Callable[[Sequence[bytes]], frozenset[bytes]]) -> tuple[bytes, ...]:
    """The first few entries at the target that are not `known` to be this migration's."""
    found: list[bytes] = []
    for block in tree.scan():
        paths = [each.path for each in block if isinstance(each, Entry) and each.path]
        ours = known(paths)
        found += [path for path in paths if path not in ours]
        if len(found) >= _STRANGERS_NAMED:
            break
    return tuple(found[:_STRANGERS_NAMED])
