"""The demo's way through the commands: what it hands out, where it ends early, and when it calls itself a success."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import pytest

from migrator.demo.demo import run_demo
from migrator.demo.wave import prepare
from migrator.domain.entries import Class
from migrator.domain.events import Event, OnEvent
from migrator.domain.phases import Phase
from migrator.domain.plan import SymlinkSwitch
from migrator.domain.reports import ApplicationReport, PlanReport, Tally, WaveReport
from migrator.errors import UsageError
from migrator.planfile import load


class Typed:
    """Commands that note how they were called, and do what the demo looks at: the flag and the link."""

    def __init__(self, *, fails: str | None = None, left_over: Class | None = None) -> None:
        self.calls: list[str] = []
        self.folder = Path()
        self._fails = fails
        self._left_over = left_over

    def plan(self, plan_file: Path, state: Path, on_event: OnEvent) -> PlanReport:
        self.calls.append("plan")
        self.folder = plan_file.parent
        assert state == self.folder / "state"
        return PlanReport("demo", "", None, (), (), (), is_offline=False, next_command=None)

    def run(self, plan_file: Path, state: Path, on_event: OnEvent, *, until: Phase | None, yes: bool) -> WaveReport:
        if until is Phase.FROZEN:
            (self.folder / "portal-is-read-only").touch()
        if until is None:
            shutil.copytree(self.folder / "provider" / "portal", self.folder / "datacentre" / "portal", symlinks=True)
            (self.folder / "datacentre" / "current").symlink_to("portal")
        return self._report(f"run {until or 'on'}{' yes' if yes else ''}")

    def verify(self, plan_file: Path, state: Path, on_event: OnEvent) -> WaveReport:
        return self._report("verify")

    def accept(self, plan_file: Path, state: Path, on_event: OnEvent) -> WaveReport:
        return self._report("accept")

    def _report(self, call: str) -> WaveReport:
        self.calls.append(call)
        items = {Class.VERIFIED: 5, Class.EXCLUDED: 1}
        if self._left_over is not None:
            items[self._left_over] = 1
        application = ApplicationReport(
            "portal", "demo", "default", Phase.ACCEPTED, None, None, None, None, Tally(items)
        )
        return WaveReport(call, (application,), 4 if call == self._fails else 0, None)


ALL = ["plan", "run seeded", "run seeded", "run frozen yes", "run on yes", "verify", "accept"]


def ignore(event: Event) -> None:
    pass


def test_every_command_is_shown_before_it_is_carried_out() -> None:
    typed, said = Typed(), list[str]()
    report = run_demo(typed, None, said.append, ignore)
    assert report.exit_code == 0
    assert typed.calls == ALL
    assert [line for line in said if line.startswith("$ migrator ")] == [
        "$ migrator plan plan.yaml",
        "$ migrator run plan.yaml --wave demo --until seeded",
        "$ migrator run plan.yaml --wave demo --until seeded",
        "$ migrator run plan.yaml --wave demo --until frozen --yes",
        "$ migrator run plan.yaml --wave demo --yes",
        "$ migrator verify plan.yaml --full",
        "$ migrator accept plan.yaml --wave demo",
    ]
    assert "  Wednesday: no water until noon." in said


def test_without_keep_nothing_stays() -> None:
    typed = Typed()
    run_demo(typed, None, list[str]().append, ignore)
    assert not typed.folder.exists()


def test_keep_leaves_everything_and_says_how_to_look_around(tmp_path: Path) -> None:
    said: list[str] = []
    run_demo(Typed(), tmp_path / "new" / "demo", said.append, ignore)
    assert (tmp_path / "new" / "demo" / "plan.yaml").is_file()
    assert f"$ cd {tmp_path / 'new' / 'demo'}" in said[-4:]


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(UsageError, match="not empty"):
        run_demo(Typed(), tmp_path, list[str]().append, ignore)
    assert os.listdir(tmp_path) == ["mine"]


@pytest.mark.parametrize("fails", ALL[1:])
def test_the_first_command_that_fails_ends_it_with_its_report(fails: str) -> None:
    typed = Typed(fails=fails)
    said: list[str] = []
    report = run_demo(typed, None, said.append, ignore)
    assert (report.command, report.exit_code) == (fails, 4)
    assert typed.calls == ALL[: ALL.index(fails) + 1]
    assert "The demo ends early, with exit code 4." in said


@pytest.mark.parametrize("left_over", sorted(set(Class) - {Class.VERIFIED, Class.EXCLUDED}))
def test_an_item_that_is_not_verified_is_no_success(left_over: Class) -> None:
    assert run_demo(Typed(left_over=left_over), None, list[str]().append, ignore).exit_code == 3


def test_an_application_that_is_not_accepted_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = Typed()
    accepted = typed.accept

    def switched_over(plan_file: Path, state: Path, on_event: OnEvent) -> WaveReport:
        report = accepted(plan_file, state, on_event)
        applications = tuple(dataclasses.replace(each, phase=Phase.SWITCHED_OVER) for each in report.applications)
        return dataclasses.replace(report, applications=applications)

    monkeypatch.setattr(typed, "accept", switched_over)
    assert run_demo(typed, None, list[str]().append, ignore).exit_code == 3


def test_the_provider_has_some_hundred_real_files_and_the_odd_ones(tmp_path: Path) -> None:
    wave = prepare(tmp_path / "demo")
    files, size_bytes = wave.count()
    assert files >= 200
    assert size_bytes > 2_000_000
    portal = wave.served / "portal"
    assert os.readlink(portal / "latest") == "news.txt"
    assert os.listdir(portal / "inbox") == []
    assert (portal / "licence.txt").stat().st_mode & 0o777 == 0o444
    assert {".htaccess", "Conseil de quartier - été.txt"} <= set(os.listdir(portal))
    assert (tmp_path / "demo" / "keys" / "export").stat().st_mode & 0o777 == 0o600


def test_a_frozen_portal_takes_no_news(tmp_path: Path) -> None:
    wave = prepare(tmp_path / "demo")
    before = wave.news.read_text()
    (tmp_path / "demo" / "portal-is-read-only").touch()
    assert wave.is_frozen
    assert not wave.save_news("too late")
    assert wave.news.read_text() == before


def test_its_plan_is_one_that_this_version_carries_out_whole(tmp_path: Path) -> None:
    wave = prepare(tmp_path / 'a "folder" with: odd # signs, été')
    wave.write_plan(2222, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFmmtlkCZALhb3TmyiQ1lBgFNMXDtoh9CsvQqE3TnVZD")
    plan = load(wave.plan_file)
    assert [application.name for application in plan.wave("demo").applications] == ["portal", "phone-book"]
    switch = plan.applications[0].switches[0]
    assert isinstance(switch, SymlinkSwitch)
    assert switch.link == os.fsencode(wave.link)
