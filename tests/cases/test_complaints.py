"""Every complaint about a plan, word for word: the cases stand in complaints.txt."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from migrator import planfile
from migrator.errors import PlanInvalid


class Case(NamedTuple):
    name: str
    plan: str
    complaints: str


def read_cases() -> list[Case]:
    """`=== NAME`, the plan, `---`, then each complaint: line, column and message, its hint indented below."""
    text = Path(__file__).with_name("complaints.txt").read_text(encoding="utf-8")
    cases = []
    for part in text.split("=== ")[1:]:
        name, _, rest = part.partition("\n")
        # A plan may hold a line of three dashes itself; the complaints come after the last one.
        plan, _, complaints = rest.rpartition("---\n")
        cases.append(Case(name, plan, complaints.strip()))
    return cases


CASES = read_cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_all_complaints_come_at_once_with_place_and_hint(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(case.plan, encoding="utf-8")
    with pytest.raises(PlanInvalid) as caught:
        planfile.load(path)
    complaints = caught.value.complaints
    assert "\n".join(f"{each.line}:{each.column} {each.message}\n    {each.hint}" for each in complaints) == (
        case.complaints
    )
    assert {each.file for each in complaints} == {str(path)}
    number = "1 problem" if len(complaints) == 1 else f"{len(complaints)} problems"
    assert caught.value.message == f"{path}: {number}"
    assert caught.value.exit_code == 11
