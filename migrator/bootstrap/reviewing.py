"""A plan, what is wrong with its text and what was found about it, as remarks on the lines of its file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from migrator import planfile
from migrator.domain.annotations import Annotation, Review
from migrator.domain.entries import display
from migrator.domain.reports import Finding, PlanReport
from migrator.errors import MigratorError, PlanInvalid


def review(path: Path, report: PlanReport) -> Review:
    """What was found, each at the line of its application; what is about none of them, at the first line."""
    lines = planfile.application_places(path)
    names = tuple(application.name for application in report.applications)
    file = _shown(path)
    return Review(file, names, tuple(_of_finding(file, lines, finding) for finding in report.findings))


def review_of_failure(path: Path, error: MigratorError) -> Review:
    """Every complaint about the text of the plan, or the error that kept anybody from reading it, at the first line."""
    file = _shown(path)
    complaints = error.complaints if isinstance(error, PlanInvalid) else ()
    annotations = [
        Annotation(file, each.line, each.column, "error", "plan", each.message, each.hint) for each in complaints
    ]
    return Review(file, (), tuple(annotations) or (Annotation(file, 1, 1, "error", "plan", error.message, error.hint),))


def _of_finding(file: str, lines: Mapping[str, tuple[int, int]], finding: Finding) -> Annotation:
    line, column = lines.get(finding.application or "", (1, 1))
    if finding.waived is not None:  # nobody has to look at it again
        sentence = f"{finding.sentence} (accepted by the plan: {finding.waived})"
        return Annotation(file, line, column, "note", finding.rule, sentence, None, finding.application)
    return Annotation(
        file, line, column, finding.severity, finding.rule, finding.sentence, finding.hint, finding.application
    )


def _shown(path: Path) -> str:
    """The path as services know it: relative to the current folder, which is the checkout; else as it was typed."""
    relative = os.path.relpath(path)
    return display(os.fsencode(path if relative.startswith("..") else relative))
