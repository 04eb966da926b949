"""The plan's bandwidth timetable: which rate holds when, and that a run under way holds it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from migrator import planfile
from migrator.bootstrap.live_limits import holding_rates
from migrator.domain.events import Event, Note
from migrator.domain.plan import Plan
from migrator.domain.reports import LiveLimit
from migrator.domain.timetable import rate_at
from migrator.journal.folder import StateFolder
from migrator.journal.limits import set_limit
from migrator.movers.budget import Budgets
from tests.support.sshd import wait_for

PLAN = """
migration: demo
timezone: Europe/Paris
endpoints:
  here: {local: true}
  old: {ssh: {host: h, user: u}}
  slow: {ssh: {host: h, user: u}, limits: {bandwidth: 3 MB/s}}
calendar:
  bandwidth:
    - {days: mon-fri, hours: "08:00-19:00", limit: 5 MB/s}
    - {days: fri, hours: "18:00-02:30", limit: 1 MB/s}
waves:
  - name: w
    applications:
      - name: a
        datasets: [{name: d, source: "old:/a", target: "here:/b"}]
"""
PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN, encoding="utf-8")
    return planfile.load(path)


@pytest.mark.parametrize(
    ("moment", "rate"),
    [
        ("2018-07-05 07:59:59", None),  # a Thursday
        ("2018-07-05 08:00:00", 5),
        ("2018-07-05 18:59:59", 5),
        ("2018-07-05 19:00:00", None),
        ("2018-07-06 18:30:00", 1),  # of two the lowest
        ("2018-07-07 02:29:59", 1),  # Friday's hours, on Saturday
        ("2018-07-07 02:30:00", None),
        ("2018-07-07 18:30:00", None),
        ("2018-07-08 01:00:00", None),
        ("2018-01-05 08:00:00", 5),  # winter: the clock on the wall counts
    ],
)
def test_the_hours_of_the_wall_decide(moment: str, rate: int | None, plan: Plan) -> None:
    now = dt.datetime.fromisoformat(moment).replace(tzinfo=PARIS).astimezone(dt.UTC)
    assert rate_at(plan, plan.endpoint("old"), now) == (None if rate is None else rate * 1_000_000)
    assert rate_at(plan, plan.endpoint("slow"), now) == min(3, rate or 3) * 1_000_000
    assert rate_at(plan, plan.endpoint("here"), now) is None


def test_a_run_under_way_goes_by_the_clock_and_what_an_operator_sets_goes_before_it(plan: Plan, tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state", plan.migration)
    folder.create()
    budgets = Budgets({spec.name: spec for spec in plan.endpoints})
    told: list[Event] = []
    clock = [dt.datetime(2018, 7, 5, 9, 0, tzinfo=PARIS)]

    def rate() -> int | None:
        return budgets["old"].pacer.rate

    with holding_rates(plan, folder, budgets, told.append, lambda: clock[0]):
        assert rate() == 5_000_000, "from the first byte on"
        assert budgets["slow"].pacer.rate == 3_000_000
        assert budgets["here"].pacer.rate is None
        clock[0] = dt.datetime(2018, 7, 5, 19, 0, tzinfo=PARIS)
        wait_for(lambda: rate() is None, "the evening has come")
        set_limit(folder, LiveLimit("old", 7, "ana", clock[0]))
        wait_for(lambda: rate() == 7, "an operator was heard")
        clock[0] = dt.datetime(2018, 7, 6, 9, 0, tzinfo=PARIS)
        wait_for(lambda: budgets["slow"].pacer.rate == 3_000_000, "the next morning has come")
        assert rate() == 7
    sentences = [event.sentence for event in told if isinstance(event, Note)]
    assert sentences[0] == "endpoint `old`: 5 MB/s from now on, by the plan's timetable"
    assert "endpoint `old`: any rate from now on, by the plan's timetable" in sentences
