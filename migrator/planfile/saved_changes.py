"""How two saved plans differ, in words."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.domain.reports import DatasetForecast, PlannedApplication
from migrator.domain.saved import SavedPlan
from migrator.planfile.changes import differences
from migrator.planfile.remarks import quoted

_VOLUMES = {
    "items": "items",
    "size_bytes": "bytes",
    "to_copy_items": "items to copy",
    "to_copy_bytes": "bytes to copy",
    "to_delete_items": "items to delete",
    "excluded_items": "excluded items",
}


def saved_differences(old: SavedPlan, new: SavedPlan) -> tuple[str, ...]:
    """One sentence for each difference: of the plan's text, of what is left to do, of volumes, of findings."""
    return (*differences(old.content, new.content), *_applications(old, new), *_findings(old, new))


def _applications(old: SavedPlan, new: SavedPlan) -> Iterator[str]:
    before = {application.name: application for application in old.report.applications}
    after = {application.name: application for application in new.report.applications}
    for name in {**before, **after}:
        if name not in after:
            yield f"{quoted(name)} is no longer in the saved plan"
        elif name not in before:
            yield f"{quoted(name)} is new in the saved plan"
        else:
            yield from _application(before[name], after[name])
            if old.rows.get(name) != new.rows.get(name) and before[name].phase is after[name].phase:
                yield f"{quoted(name)} was worked on in between"


def _application(old: PlannedApplication, new: PlannedApplication) -> Iterator[str]:
    label = quoted(new.name)
    if old.phase is not new.phase:
        yield f"{label} was `{old.phase}`, and is `{new.phase}`"
    if gone := [step for step in old.steps if step not in new.steps]:
        yield f"{label}: no longer to be done: {', '.join(gone)}"
    if added := [step for step in new.steps if step not in old.steps]:
        yield f"{label}: now to be done: {', '.join(added)}"
    before = {dataset.name: dataset for dataset in old.datasets}
    for dataset in new.datasets:
        if dataset.name in before:
            yield from _volumes(f"{new.name}/{dataset.name}", before[dataset.name], dataset)


def _volumes(name: str, old: DatasetForecast, new: DatasetForecast) -> Iterator[str]:
    for key, word in _VOLUMES.items():
        before, after = getattr(old, key), getattr(new, key)
        if before != after:
            yield f"{quoted(name)}: {_count(before)} {word} became {_count(after)}"


def _count(number: int | None) -> str:
    return "an unknown number of" if number is None else f"{number:,}"


def _findings(old: SavedPlan, new: SavedPlan) -> Iterator[str]:
    before, after = (dict.fromkeys(saved.report.findings) for saved in (old, new))
    for finding in after:
        if finding not in before:
            yield f"new {finding.severity}: {_about(finding.application)}{finding.sentence}"
    for finding in before:
        if finding not in after:
            yield f"no longer: {_about(finding.application)}{finding.sentence}"


def _about(application: str | None) -> str:
    return "" if application is None else f"{application}: "
