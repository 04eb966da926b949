"""Spoilt plans through the command line: valid or not, and never more than that; and a very large one in time."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from migrator import planfile
from tests.fuzz_plans import PROJECT
from tests.support.plans import application, local, write_plan

COUNT = 300


def test_a_spoilt_plan_is_valid_or_not_in_time_and_in_little_memory() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fuzz_plans", "--count", str(COUNT)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{COUNT} plans" in ended.stdout


def test_a_plan_of_three_hundred_applications_is_read_within_a_second(tmp_path: Path) -> None:
    many = [
        application(
            f"application-{number}",
            f"old:/srv/{number}",
            f"new:/srv/new/{number}",
            needs=[f"application-{number - 1}"] if number % 7 else [],
            freeze={"on": "source", "apply": ["true"], "probe": ["true"], "undo": ["true"]},
            switch=[{"symlink": {"on": "target", "link": f"/srv/links/{number}", "to": f"/srv/new/{number}"}}],
        )
        for number in range(300)
    ]
    path = write_plan(tmp_path / "plan.yaml", {"old": local(), "new": local()}, *many)
    begun = time.process_time()
    plan = planfile.load(path)
    seconds = time.process_time() - begun
    assert len(plan.applications) == 300
    assert seconds < 1
