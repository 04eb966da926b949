"""docs/ci.md: its jobs are carried out as a CI service would, in a checkout with plans that are good or broken."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cli import COMMAND, clean_environment
from tests.support.moves import NAME, Move

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "ci.md").read_text(encoding="utf-8")
GITHUB, GITLAB = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the project's plans, as a CI service would fetch it."""
    checkout = tmp_path / "checkout"
    shutil.copytree(PROJECT / "plans", checkout / "plans")
    return checkout


def broken(checkout: Path) -> int:
    """Misspell a key of the first plan; its line."""
    path = checkout / "plans" / "first-wave.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("    applications:", "    paralel: 4\n    applications:"), encoding="utf-8")
    return path.read_text(encoding="utf-8").splitlines().index("    paralel: 4") + 1


def carry_out(script: str, checkout: Path) -> subprocess.CompletedProcess[str]:
    """Run a script as both services do: bash that ends with the first command that fails."""
    tools = checkout.parent / "tools"
    tools.mkdir()
    (tools / "migrator").write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n', encoding="utf-8")
    (tools / "migrator").chmod(0o755)
    environment = clean_environment()
    environment |= {"PATH": f"{tools}:{environment['PATH']}", "PYTHONPATH": str(PROJECT)}
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def github_script() -> str:
    steps: list[dict[str, Any]] = GITHUB["jobs"]["plans"]["steps"]
    return str(next(step["run"] for step in steps if step.get("name") == "check every plan"))


def test_good_plans_pass_on_github(checkout: Path) -> None:
    ended = carry_out(github_script(), checkout)
    assert (ended.returncode, [line for line in ended.stdout.splitlines() if line.startswith("::error")]) == (0, [])


def test_a_broken_plan_fails_on_github_at_its_line(checkout: Path) -> None:
    line = broken(checkout)
    ended = carry_out(github_script(), checkout)
    assert ended.returncode == 11
    assert f"::error file=plans/first-wave.yaml,line={line},col=5," in ended.stdout


@pytest.mark.parametrize("is_broken", [False, True])
def test_the_reports_of_gitlab_are_there_in_either_case(is_broken: bool, checkout: Path) -> None:
    line = broken(checkout) if is_broken else None
    ended = carry_out("\n".join(GITLAB["plans"]["script"]), checkout)
    assert ended.returncode == (11 if is_broken else 0)
    reports = GITLAB["plans"]["artifacts"]["reports"]
    issues = json.loads((checkout / reports["codequality"]).read_text(encoding="utf-8"))
    errors = [issue for issue in issues if issue["severity"] == "critical"]
    assert [issue["location"] for issue in errors] == (
        [{"path": "plans/first-wave.yaml", "lines": {"begin": line}}] if is_broken else []
    )
    suite = ET.parse(checkout / reports["junit"]).getroot()[0]
    assert suite.get("failures") == ("1" if is_broken else "0")


def test_nothing_is_left_in_the_checkout(checkout: Path) -> None:
    before = sorted(checkout.rglob("*"))
    carry_out(github_script(), checkout)
    assert sorted(checkout.rglob("*")) == before


def test_what_is_found_about_an_application_stands_where_it_is_named(tmp_path: Path) -> None:
    cli = Move(tmp_path, tmp_path / "nowhere", tmp_path / "target").cli()
    ended = cli("plan", "--format", "github", expect=10)
    line = cli.plan.read_text(encoding="utf-8").splitlines().index(f"  - name: {NAME}") + 1
    (told,) = [each for each in ended.stdout.splitlines() if each.startswith("::error")]
    assert f",line={line},col=11," in told
    assert "nowhere" in told
