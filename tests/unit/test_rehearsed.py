"""Whether a rehearsal still counts, and where its shadows lie."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from migrator import planfile
from migrator.domain.plan import Location, Plan
from migrator.domain.reports import RecordedRehearsal, RehearsedStep
from migrator.domain.shadow import is_shadow, shadow_of
from migrator.errors import Refused
from migrator.planning.rehearsed import report_of, why_expired
from tests.support.plans import Mapped, application, local, write_plan

NOON = dt.datetime(2018, 7, 28, 12, 0, tzinfo=dt.UTC)
REHEARSAL = RecordedRehearsal(NOON, "digest", "migrator 1", "{}", (RehearsedStep("seed", 1.0),))


def plan_of(folder: Path, *targets: str, sources: str = "old:/srv/source") -> Plan:
    applications = [application(f"a{n}", f"{sources}{n}", target) for n, target in enumerate(targets)]
    ends: dict[str, Mapped] = {"old": {"ssh": "old"}, "new": {"ssh": "new"}, "again": {"ssh": "new"}, "here": local()}
    return planfile.load(write_plan(folder / "plan.yaml", ends, *applications))


def test_it_holds_while_nothing_changes() -> None:
    assert why_expired(REHEARSAL, "digest", "migrator 1", "{}") is None
    assert why_expired(REHEARSAL, "digest", "migrator 1", None) is None
    report = report_of(REHEARSAL, "digest", "migrator 1")
    assert report is not None
    assert (report.ended_at, report.steps, report.expired) == (NOON, REHEARSAL.steps, None)
    assert report_of(None, "digest", "migrator 1") is None


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (("other", "migrator 1", "{}"), "the plan changed"),
        (("digest", "migrator 2", "{}"), "made with migrator 1, and this is migrator 2"),
        (("digest", "migrator 1", '{"files": 1}'), "endpoints changed"),
    ],
)
def test_a_change_of_plan_versions_or_endpoints_ends_it(now: tuple[str, str, str], why: str) -> None:
    assert why in (why_expired(REHEARSAL, *now) or "")


def test_one_that_failed_never_counts() -> None:
    failed = replace(REHEARSAL, error="the link broke")
    assert why_expired(failed, "digest", "migrator 1", "{}") == "it failed: the link broke"


def test_every_target_gets_a_shadow_and_nothing_else_changes(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "new:/srv/one", "here:two")
    shadow = shadow_of(plan)
    targets = [dataset.target for each in shadow.applications for dataset in each.datasets]
    two = str(tmp_path / "two.rehearsal").encode()
    assert targets == [Location("new", b"/srv/one.rehearsal"), Location("here", two)]
    assert all(is_shadow(target) for target in targets)
    assert not any(is_shadow(dataset.target) for each in plan.applications for dataset in each.datasets)
    sources = [dataset.source for each in shadow.applications for dataset in each.datasets]
    assert sources == [dataset.source for each in plan.applications for dataset in each.datasets]
    assert shadow.digest == plan.digest


@pytest.mark.parametrize("other", ["new:/srv/one.rehearsal", "new:/srv/one.rehearsal/deep", "again:/srv/one.rehearsal"])
def test_a_shadow_never_falls_on_a_target_of_the_plan(other: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="has a tree there"):
        shadow_of(plan_of(tmp_path, "new:/srv/one", other))


def test_a_shadow_never_falls_on_a_source_of_the_plan(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="has a tree there"):
        shadow_of(plan_of(tmp_path, "new:/srv/one", sources="new:/srv/one.rehearsal/"))


def test_a_like_name_elsewhere_is_no_matter(tmp_path: Path) -> None:
    shadow_of(plan_of(tmp_path, "new:/srv/one", "here:/srv/one.rehearsal", "new:/srv/one.rehearsals"))
