"""The drawing of a plan: waves, applications, and arrows from what is needed to what needs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from migrator import planfile
from migrator.domain.plan import Plan
from migrator.errors import PlanInvalid
from migrator.planning.graph import dot, mermaid

PLAN = """\
migration: moving
endpoints: {old: {local: true}}
waves:
  - name: july
    applications:
      - {name: annuaire, datasets: [{name: files, source: "old:/a", target: "old:/b"}]}
      - {name: end, needs: [annuaire], datasets: [{name: files, source: "old:/c", target: "old:/d"}]}
  - name: august-1
    applications:
      - {name: x-1, needs: [end, annuaire], datasets: [{name: files, source: "old:/e", target: "old:/f"}]}
"""


def plan_of(folder: Path, text: str = PLAN) -> Plan:
    (folder / "plan.yaml").write_text(text, encoding="utf-8")
    return planfile.load(folder / "plan.yaml")


def test_mermaid_shows_the_waves_and_who_needs_whom(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert mermaid(plan, [(wave, wave.applications) for wave in plan.waves]) == (
        'flowchart LR\n  subgraph w1["july"]\n    a1["annuaire"]\n    a2["end"]\n  end\n'
        '  subgraph w2["august-1"]\n    a3["x-1"]\n  end\n'
        "  a1 --> a2\n  a1 --> a3\n  a2 --> a3\n"
    )


def test_dot_shows_those_outside_that_are_needed(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    wave = plan.wave("august-1")
    assert dot(plan, [(wave, wave.applications)]) == (
        "digraph plan {\n  rankdir=LR;\n  node [shape=box];\n"
        '  subgraph cluster_w1 {\n    label="august-1";\n    a3 [label="x-1"];\n  }\n'
        '  a1 [label="annuaire (wave july)", style=dashed];\n  a2 [label="end (wave july)", style=dashed];\n'
        "  a1 -> a3;\n  a2 -> a3;\n}\n"
    )


@pytest.mark.parametrize("character", ['"', "\\", "#", "<", "]", "\n", "`", ";"])
def test_no_name_holds_what_either_language_would_want_escaped(character: str, tmp_path: Path) -> None:
    with pytest.raises(PlanInvalid, match="1 problem"):
        plan_of(tmp_path, PLAN.replace("name: x-1", f"name: {json.dumps(f'x{character}1')}"))
