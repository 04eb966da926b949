"""Switches and smoke checks, from the text of a plan to what the program has of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator import planfile
from migrator.domain.acts import (
    CommandCheck,
    HaproxySwitch,
    HttpCall,
    HttpCheck,
    HttpSwitch,
    OwnSwitch,
    SameOutput,
    TcpCheck,
)
from migrator.domain.plan import Plan
from tests.support.packages import write_package

PLAN = """\
migration: x
endpoints: {h: {local: true}}
waves:
  - name: w
    applications:
      - name: a
        datasets: [{name: f, source: "h:/a", target: "h:/b"}]
        checks: [%s]
        switch: [%s]
"""
KIND = "class Kind:\n    probe = apply = undo = print\n"


def plan_of(folder: Path, *, check: str = "", switch: str = "") -> Plan:
    path = folder / "plan.yaml"
    path.write_text(PLAN % (check, switch))
    return planfile.load(path)


@pytest.mark.parametrize(
    ("written", "built"),
    [
        ("http: {url: 'http://h/'}", HttpCheck("http://h/", 200, None, "always", 120)),
        (
            "http: {url: 'http://h/', status: 204, contains: ok, when: after, timeout: 5 s}",
            HttpCheck("http://h/", 204, "ok", "after", 5),
        ),
        ("same_output: [ls, -l]", SameOutput(("ls", "-l"), "always", 120)),
        ("tcp: 'db:5432'", TcpCheck("db", 5432, "always", 120)),
        ("tcp: {address: '[::1]:80', when: before}", TcpCheck("::1", 80, "before", 120)),
        ("command: ['true']", CommandCheck("target", ("true",), "always", 120)),
        ("command: {on: here, argv: [ls], timeout: 1h}", CommandCheck("here", ("ls",), "always", 3600)),
    ],
)
def test_checks(written: str, built: object, tmp_path: Path) -> None:
    assert plan_of(tmp_path, check=f"{{{written}}}").applications[0].checks == (built,)


def test_a_switch_inside_haproxy(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, switch="{haproxy: {socket: /run/h.sock, backend: b, from: x, to: y, timeout: 9 s}}")
    assert plan.applications[0].switches == (HaproxySwitch("target", "/run/h.sock", "b", "x", "y", 9),)


def test_a_switch_by_http_knows_its_token_beside_the_plan(tmp_path: Path) -> None:
    calls = "apply: {method: PUT, url: 'http://h/a', body: new, status: 204}, probe: {url: 'http://h/p'}"
    plan = plan_of(tmp_path, switch=f"{{http: {{{calls}, undo: {{url: 'http://h/u'}}, token_file: keys/token}}}}")
    assert plan.applications[0].switches == (
        HttpSwitch(
            HttpCall("PUT", "http://h/a", "new", 204),
            HttpCall("GET", "http://h/p"),
            HttpCall("GET", "http://h/u"),
            tmp_path / "keys/token",
            120,
        ),
    )


def test_a_switch_of_another_package_counts_in_the_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(write_package(tmp_path / "packages", "lever-one", KIND)))
    plan = plan_of(tmp_path, switch="{lever-one: {on: here, steps: [up, 1], timeout: 3 s}}")
    assert plan.applications[0].switches == (OwnSwitch("lever-one", {"on": "here", "steps": ["up", "1"]}, tmp_path, 3),)
    other = plan_of(tmp_path, switch="{lever-one: {on: here, steps: [up, 2], timeout: 3 s}}")
    assert planfile.differences(plan.content, other.content)
    assert plan.digest != other.digest


@pytest.mark.parametrize("name", ["symlink", "haproxy"])
def test_no_package_takes_the_name_of_a_switch_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.syspath_prepend(str(write_package(tmp_path / "packages", name, "raise RuntimeError")))
    plan = plan_of(tmp_path, switch="{symlink: {on: target, link: /a, to: /b}}")
    assert type(plan.applications[0].switches[0]).__name__ == "SymlinkSwitch"
