"""How many movers, applications at once, and connections of its own a run gets within the limits of the endpoints."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator import planfile
from migrator.bootstrap.session import demand_on
from migrator.domain.plan import Plan
from migrator.planning.connections import Demand

PLAN = """\
migration: x
endpoints:
  old: {ssh: {host: o}, limits: {connections: %(old)d}}
  new: {ssh: {host: n%(jump)s}, limits: {connections: %(new)d}}
  gate: {ssh: {host: g}, limits: {connections: %(gate)d}}
  here: {local: true}
waves:
  - name: w
    parallel: 4
    applications: [%(applications)s]
"""


def application(name: str, *ends: str) -> str:
    roots = ", ".join(
        f'{{name: d{number}, source: "{source}:/{name}{number}", target: "{target}:/to/{name}{number}"}}'
        for number, (source, target) in enumerate(each.split(">") for each in ends)
    )
    return f"{{name: {name}, datasets: [{roots}]}}"


def demand(folder: Path, *applications: str, jump: bool = False, **limits: int) -> Demand:
    path = folder / "plan.yaml"
    values = {"old": 64, "new": 64, "gate": 64, **limits}
    text = PLAN % {**values, "jump": ", jump: gate" if jump else "", "applications": ", ".join(applications)}
    path.write_text(text, encoding="utf-8")
    plan: Plan = planfile.load(path)
    return demand_on(plan, [(wave, wave.applications) for wave in plan.waves])


def test_movers_fill_the_processors_and_the_rest_is_for_scans(tmp_path: Path) -> None:
    shares = demand(tmp_path, application("a", "old>here"), old=6).shares(4)
    assert (shares.movers, shares.own["old"]) == (4, 2)


def test_the_least_patient_endpoint_decides(tmp_path: Path) -> None:
    shares = demand(tmp_path, application("a", "old>new"), old=8, new=4).shares(16)
    # new: one lock, one to look, two movers
    assert (shares.movers, shares.own["new"], shares.own["old"]) == (2, 1, 6)


def test_an_endpoint_that_is_read_and_written_costs_a_mover_two(tmp_path: Path) -> None:
    shares = demand(tmp_path, application("a", "old>old"), old=6).shares(16)
    assert shares.movers == 2


def test_an_endpoint_that_nobody_uses_limits_nobody(tmp_path: Path) -> None:
    assert demand(tmp_path, application("a", "old>here"), old=9, new=2).shares(8).movers == 8


def test_a_jump_host_bears_every_connection_through_it(tmp_path: Path) -> None:
    shares = demand(tmp_path, application("a", "old>new"), jump=True, gate=4).shares(16)
    assert (shares.movers, shares.own["gate"]) == (2, 1)


def test_locks_limit_how_many_applications_go_side_by_side(tmp_path: Path) -> None:
    wanted = demand(tmp_path, *(application(name, "old>new") for name in "abcd"), new=4)
    shares = wanted.shares(16)
    assert (shares.side_by_side, shares.movers, shares.own["new"]) == ({"w": 2}, 1, 1)
    (finding,) = wanted.findings()
    assert finding.severity == "warning"
    assert "2 of its applications at a time, not 4" in finding.sentence


@pytest.mark.parametrize(("limit", "is_told"), [(4, True), (5, False)])
def test_an_application_that_cannot_stay_within_the_limit_is_named(limit: int, is_told: bool, tmp_path: Path) -> None:
    wanted = demand(tmp_path, application("a", "old>new", "old>new", "old>new"), new=limit)
    told = [finding.sentence for finding in wanted.findings()]
    assert [
        f"takes 5 connections to `new` at once, more than its `limits.connections` of {limit}" in one for one in told
    ] == ([True] if is_told else [])
    assert (wanted.shares(8).movers, wanted.shares(8).own["new"]) == (1, 1)


def test_this_machine_needs_no_connections(tmp_path: Path) -> None:
    wanted = demand(tmp_path, *(application(name, "here>here") for name in "abcd"))
    assert (wanted.shares(8).movers, wanted.shares(8).side_by_side, list(wanted.findings())) == (8, {"w": 4}, [])
