"""What a run that began now would do, item by item, and where nobody can know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from migrator.domain.prospects import Prospect
from migrator.domain.reports import DatasetForecast, PlannedApplication, PlanReport

_GATE = "gate: "
_DOES = {
    "preflight": "look at both sides, and prove that the steps that follow could succeed",
    "seed": "copy everything while users work, then what changed meanwhile",
    "freeze": "stop writes at the source",
    "final-sync": "copy what was written until the freeze; how much that is shows then",
    "verify": "read everything at the target again and compare",
    "switch-over": "prove that nothing was written since, and send users to the target",
    "accept": "take the target for the truth, once the soak is over",
    "decommission": "retire the source",
}
_COPIES = frozenset({"seed", "final-sync"})


def prospects(report: PlanReport, is_open: Callable[[str, str], bool]) -> Iterator[Prospect]:
    """Every gate, step and dataset of the report; `is_open` says whether a gate of an application is approved."""
    closed = {times.wave for times in report.times if not times.is_open}
    no_cutover = {times.wave for times in report.times if not times.is_cutover_open}
    failing = {finding.application for finding in report.findings if finding.severity == "error"}
    for application in report.applications:
        name = application.name
        if not application.steps:
            yield Prospect("nothing to do", name, "steps", f"it is `{application.phase}`")
            continue
        course = _Course(application, partial(is_open, name))
        if application.wave in closed:
            course.held = "only when the window of its wave opens"
        course.has_cutover_hours = application.wave not in no_cutover
        course.has_errors = name in failing or None in failing
        yield from course.steps()
        for dataset in application.datasets:
            yield _of_dataset(application, dataset)


class _Course:
    """The steps of one application, up to what holds it and beyond."""

    def __init__(self, application: PlannedApplication, is_open: Callable[[str], bool]) -> None:
        self.held: str | None = None  # why nobody can know what comes now
        self.has_cutover_hours = True
        self.has_errors = False
        self._application = application
        self._is_open = is_open

    def steps(self) -> Iterator[Prospect]:
        """A prospect a gate and a step."""
        for step in self._application.steps:
            gate = step.removeprefix(_GATE) if step.startswith(_GATE) else None
            if "freeze" in (gate, step) and not self.has_cutover_hours:
                self.held = self.held or "only in the cutover hours of its wave"
            yield self._of_gate(gate) if gate is not None else self._of_step(step)
            if step == "preflight" and self.has_errors:
                self.held = self.held or "only once the errors that were found are mended"

    def _of_gate(self, gate: str) -> Prospect:
        item = f"gate {gate}"
        if self._is_open(gate):
            return self._prospect(item, "pass it: it is approved")
        self.held = self.held or f"only once gate `{gate}` is approved"
        return Prospect("cannot know", self._application.name, item, "whether it is approved when the run comes to it")

    def _of_step(self, step: str) -> Prospect:
        return self._prospect(step, _DOES[step])

    def _prospect(self, item: str, sentence: str) -> Prospect:
        if self.held is not None:
            return Prospect("cannot know", self._application.name, item, self.held)
        return Prospect("would do", self._application.name, item, sentence)


def _of_dataset(application: PlannedApplication, dataset: DatasetForecast) -> Prospect:
    name, item = application.name, f"dataset {dataset.name}"
    if _COPIES.isdisjoint(application.steps):
        return Prospect("nothing to do", name, item, "no step that copies is left")
    if dataset.to_copy_items is None:
        return Prospect("cannot know", name, item, "its endpoints could not be looked at")
    if not dataset.to_copy_items and not dataset.to_delete_items:
        return Prospect("nothing to do", name, item, "what is at the source now was copied already")
    deleted = f", and delete {dataset.to_delete_items:,} at the target" if dataset.to_delete_items else ""
    return Prospect(
        "would do", name, item, f"copy {dataset.to_copy_items:,} items, {dataset.to_copy_bytes or 0:,} bytes{deleted}"
    )
