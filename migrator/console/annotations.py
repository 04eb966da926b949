"""A review of a plan in the formats that CI services read."""

from __future__ import annotations

import hashlib
import json
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Literal

from migrator.console.wording import printable
from migrator.domain.annotations import Annotation, Review

Format = Literal["github", "gitlab", "junit"]

_GITHUB = {"error": "error", "warning": "warning", "note": "notice"}
_GITLAB = {"error": "critical", "warning": "minor", "note": "info"}
_SUITE = "migrator plan"


def as_text(review: Review, form: Format) -> str:
    """The whole text, without a line end after its last line."""
    writers: dict[Format, Callable[[Review], str]] = {"github": _github, "gitlab": _gitlab, "junit": _junit}
    return writers[form](review)


def _github(review: Review) -> str:
    """Workflow commands, one a line.

    https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands; the escapes are those of
    actions/toolkit, packages/core/src/command.ts.
    """
    return "\n".join(_command(each) for each in review.annotations)


def _command(annotation: Annotation) -> str:
    properties = {
        "file": annotation.file,
        "line": str(annotation.line),
        "col": str(annotation.column),
        "title": f"migrator: {annotation.rule}",
    }
    where = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{_GITHUB[annotation.severity]} {where}::{_data(_words(annotation))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _gitlab(review: Review) -> str:
    """A Code Quality report: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format."""
    same: Counter[str] = Counter()
    issues = []
    for annotation in review.annotations:
        words = _words(annotation)
        # Without the line: a remark that only moved is not a new one. GitLab wants every fingerprint once.
        about = json.dumps([annotation.file, annotation.rule, annotation.application, words])
        same[about] += 1
        issues.append(_issue(annotation, words, hashlib.sha256(f"{about} {same[about]}".encode()).hexdigest()))
    return json.dumps(issues, indent=2)


def _issue(annotation: Annotation, words: str, fingerprint: str) -> dict[str, Any]:
    return {
        "description": words,
        "check_name": annotation.rule,
        "fingerprint": fingerprint,
        "severity": _GITLAB[annotation.severity],
        "location": {"path": annotation.file, "lines": {"begin": annotation.line}},
    }


def _junit(review: Review) -> str:
    """JUnit XML as GitLab, Jenkins and others read it: a case for the text of the plan, and one an application.

    Only errors are failures; warnings and notes stand in the output of their case.
    """
    suite = ET.Element("testsuite", name=_SUITE)
    suite.extend(_cases(review))
    counts = {"tests": len(suite), "failures": len(suite.findall("testcase/failure")), "errors": 0, "skipped": 0}
    suite.attrib.update({name: str(count) for name, count in counts.items()})
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}'


def _cases(review: Review) -> Iterator[ET.Element]:
    yield _case(review, "the plan as a whole", [each for each in review.annotations if each.application is None])
    for name in review.applications:
        yield _case(review, f"application {name}", [each for each in review.annotations if each.application == name])


def _case(review: Review, name: str, about: list[Annotation]) -> ET.Element:
    # What is printable holds no character that XML forbids.
    case = ET.Element("testcase", classname=printable(review.file), name=printable(name))
    errors = [each for each in about if each.severity == "error"]
    others = [each for each in about if each.severity != "error"]
    if errors:
        case.set("file", printable(errors[0].file))
        case.set("line", str(errors[0].line))
        more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
        message = f"{printable(errors[0].sentence)}{more}"
        failure = ET.SubElement(case, "failure", message=message, type=errors[0].rule)
        failure.text = "\n".join(_placed(each) for each in errors)
    if others:
        ET.SubElement(case, "system-out").text = "\n".join(_placed(each) for each in others)
    return case


def _placed(annotation: Annotation) -> str:
    place = f"{printable(annotation.file)}:{annotation.line}:{annotation.column}"
    return f"{place}: {annotation.severity}: {_words(annotation)}"


def _words(annotation: Annotation) -> str:
    application = f"{annotation.application}: " if annotation.application is not None else ""
    hint = f" ({annotation.hint})" if annotation.hint else ""
    return printable(f"{application}{annotation.sentence}{hint}")
