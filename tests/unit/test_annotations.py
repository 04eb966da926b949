"""Reviews in the formats of CI services, held against the rules of each."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from urllib.parse import unquote

from migrator.console.annotations import as_text
from migrator.domain.annotations import Annotation, Review

NASTY = "100 % of <a>,\n::error::b & \x1b[31mc\x00"
WRONG = Annotation("plans/a,b:c%.yaml", 6, 5, "error", "plan", NASTY, "mend: it")
AGAIN = Annotation("plans/a,b:c%.yaml", 9, 1, "error", "plan", NASTY, "mend: it")
SPACE = Annotation("plans/a,b:c%.yaml", 12, 15, "error", "target-space", "too small", None, "annuaire")
CLOCK = Annotation("plans/a,b:c%.yaml", 12, 15, "warning", "clock", "they differ", None, "annuaire")
REVIEW = Review("plans/a,b:c%.yaml", ("annuaire", "portail"), (WRONG, AGAIN, SPACE, CLOCK))
COMMAND = re.compile(r"::(error|warning|notice) ((?:[a-zA-Z]+=[^,:\r\n]*)(?:,[a-zA-Z]+=[^,:\r\n]*)*)::([^\r\n]*)")


def test_github_reads_back_each_place_and_sentence() -> None:
    commands = [COMMAND.fullmatch(line) for line in as_text(REVIEW, "github").split("\n")]
    assert [command and command[1] for command in commands] == ["error", "error", "error", "warning"]
    assert commands[0] is not None
    properties = dict(each.split("=", 1) for each in commands[0][2].split(","))
    assert {name: unquote(value) for name, value in properties.items()} == {
        "file": "plans/a,b:c%.yaml",
        "line": "6",
        "col": "5",
        "title": "migrator: plan",
    }
    assert unquote(commands[0][3]) == "100 % of <a>,\\x0a::error::b & \\x1b[31mc\\x00 (mend: it)"


def test_gitlab_gets_what_a_code_quality_report_must_have() -> None:
    issues = json.loads(as_text(REVIEW, "gitlab"))
    for issue in issues:
        assert issue.keys() == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert isinstance(issue["location"]["lines"]["begin"], int)
        assert not issue["location"]["path"].startswith(("./", "/"))
    assert len({issue["fingerprint"] for issue in issues}) == 4
    assert issues[2]["description"] == "annuaire: too small"
    assert json.loads(as_text(Review("p.yaml", (), ()), "gitlab")) == []


def test_a_remark_that_only_moved_keeps_its_fingerprint() -> None:
    moved = Annotation(SPACE.file, 99, 1, SPACE.severity, SPACE.rule, SPACE.sentence, None, SPACE.application)
    before, after = (as_text(Review(SPACE.file, (), (each,)), "gitlab") for each in (SPACE, moved))
    assert json.loads(before)[0]["fingerprint"] == json.loads(after)[0]["fingerprint"]


def test_junit_counts_errors_as_failures_and_shows_the_rest() -> None:
    suite = ET.fromstring(as_text(REVIEW, "junit"))[0]
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3",
        "failures": "2",
        "errors": "0",
        "skipped": "0",
    }
    assert [case.get("name") for case in suite] == [
        "the plan as a whole",
        "application annuaire",
        "application portail",
    ]
    assert [(case.get("line"), len(case.findall("failure"))) for case in suite] == [("6", 1), ("12", 1), (None, 0)]
    failure = suite.findtext("testcase/failure")
    assert failure is not None
    assert [line.partition(": ")[0] for line in failure.splitlines()] == [
        "plans/a,b:c%.yaml:6:5",
        "plans/a,b:c%.yaml:9:1",
    ]
    assert suite[1].findtext("system-out") == "plans/a,b:c%.yaml:12:15: warning: annuaire: they differ"
