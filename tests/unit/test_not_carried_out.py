"""The parts of a plan that are read and not carried out yet are named, each with the step that would need it."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator import planfile
from migrator.domain.plan import Plan

PLANS = Path(__file__).parents[2] / "plans"
WAVE = """\
migration: x
%(top)s
owners: {o: {%(owner)s}}
endpoints: {old: {ssh: old%(endpoint)s}, other: {ssh: b, limits: {bandwidth: 1 MB/s}}, h: {local: true}}
waves:
  - name: w
    %(wave)s
    applications:
      - name: a
        owner: o
        datasets: [{name: d, source: "old:/a", target: "h:/b"}]
        %(application)s
"""


def parts(folder: Path, **more: str) -> tuple[tuple[str, str], ...]:
    path = folder / "plan.yaml"
    empty = dict.fromkeys(("top", "owner", "endpoint", "wave", "application"), "")
    path.write_text(WAVE % {**empty, **more}, encoding="utf-8")
    plan = planfile.load(path)
    return planfile.not_carried_out(plan, plan.applications[0])


@pytest.mark.parametrize(
    ("where", "text", "step", "what"),
    [
        ("top", "calendar: {closed: [2018-07-14]}", "freeze", "calendar: `closed`"),
        (
            "top",
            "calendar: {bandwidth: [{days: sat, hours: 08:00-09:00, limit: 1 MB/s}]}",
            "seed",
            "calendar: `bandwidth`",
        ),
        ("wave", "window: {to: 2018-07-29}", "seed", "wave `w`: `window`"),
        ("wave", "cutover: {days: sat, hours: 22:00-06:00}", "freeze", "wave `w`: `cutover`"),
        ("application", "verify_under_freeze: changed", "verify", "application `a`: `verify_under_freeze: changed`"),
        ("application", "gates: [month-closed]", "switch-over", "application `a`: the gate `month-closed`"),
    ],
)
def test_each_part_is_named_with_its_step(where: str, text: str, step: str, what: str, tmp_path: Path) -> None:
    assert parts(tmp_path, **{where: text}) == ((step, f"{what} is not carried out yet"),)


def test_what_is_carried_out_is_not_named(tmp_path: Path) -> None:
    found = parts(
        tmp_path,
        endpoint=", limits: {connections: 3, bandwidth: 1 MB/s}, connector: openssh",
        wave="parallel: 2",
        application="soak: 2h\n        freeze: {apply: [a], probe: [a], undo: [a]}\n        verify_under_freeze: all\n"
        "        switch:\n          - symlink: {link: /a, to: /b}\n"
        "          - command: {on: target, apply: [a], probe: [a], undo: [a]}\n"
        "          - dns: {server: '::1', zone: z, name: n, type: TXT, value: '1'}\n"
        "          - haproxy: {on: here, socket: /s, backend: b, from: x, to: y}\n"
        "          - http: {apply: {url: 'http://h'}, probe: {url: 'http://h'}, undo: {url: 'http://h'}}\n"
        "        on_failure: go_back\n        fall_back: {source_write: true}\n"
        "        checks: [{http: {url: 'http://h'}}, {same_output: [ls]}, {tcp: 'h:1'}, {command: [ls]}]",
    )
    assert found == ()


def test_they_come_in_the_order_of_the_itinerary() -> None:
    plan: Plan = planfile.load(PLANS / "paris-2018.yaml")
    order = ["preflight", "seed", "freeze", "verify", "switch-over"]
    for application in plan.applications:
        steps = [order.index(step) for step, _ in planfile.not_carried_out(plan, application)]
        assert steps == sorted(steps)
