"""What a dry run says of each item: would do, cannot know, or nothing to do."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from migrator.domain.phases import Phase
from migrator.domain.reports import DatasetForecast, Finding, PlannedApplication, PlanReport, WaveTimes
from migrator.planning.prospects import prospects

FILES = DatasetForecast("files", "old:/a", "new:/b", "sftp", "agent", 9, 900, 5, 500, 2, 0)
STEPS = ("preflight", "seed", "gate: freeze", "freeze", "final-sync", "verify", "gate: switch-over", "switch-over")
PORTAIL = PlannedApplication("portail", "july", "ville", Phase.PLANNED, (FILES,), STEPS)
REPORT = PlanReport("moving", "d", None, (), (PORTAIL,), (), is_offline=False, next_command=None)
LATER = dt.datetime(2018, 7, 7, tzinfo=dt.UTC)


def words(report: PlanReport, *approved: str) -> dict[str, str]:
    return {each.item: each.word for each in prospects(report, lambda _, gate: gate in approved)}


def test_nothing_is_known_beyond_a_gate_without_approval() -> None:
    assert words(REPORT) == {
        "preflight": "would do",
        "seed": "would do",
        "gate freeze": "cannot know",
        "freeze": "cannot know",
        "final-sync": "cannot know",
        "verify": "cannot know",
        "gate switch-over": "cannot know",
        "switch-over": "cannot know",
        "dataset files": "would do",
    }


def test_an_approved_gate_is_passed() -> None:
    assert set(words(REPORT, "freeze", "switch-over").values()) == {"would do"}
    assert words(REPORT, "switch-over")["switch-over"] == "cannot know", "the freeze before it is not approved"


def test_an_error_holds_everything_after_the_preflight() -> None:
    failing = replace(REPORT, findings=(Finding("target-space", "error", "too small", None, "portail"),))
    said = words(failing, "freeze", "switch-over")
    assert (said["preflight"], said["seed"], said["switch-over"]) == ("would do", "cannot know", "cannot know")
    other = replace(REPORT, findings=(Finding("target-space", "error", "too small", None, "other"),))
    assert words(other)["seed"] == "would do"


def test_a_closed_window_holds_all_and_closed_hours_the_cutover() -> None:
    times = WaveTimes("july", False, None, LATER, True, None, None, "closed")
    assert words(replace(REPORT, times=(times,)), "freeze")["preflight"] == "cannot know"
    hours = replace(times, is_open=True, is_cutover_open=False)
    said = words(replace(REPORT, times=(hours,)), "freeze")
    assert (said["seed"], said["gate freeze"], said["freeze"]) == ("would do", "cannot know", "cannot know")


def test_datasets_are_copied_unknown_or_done() -> None:
    def of(**changed: int | None) -> str:
        dataset = replace(FILES, **changed)  # type: ignore[arg-type]
        return words(replace(REPORT, applications=(replace(PORTAIL, datasets=(dataset,)),)))["dataset files"]

    assert of(to_copy_items=None) == "cannot know"
    assert of(to_copy_items=0, to_delete_items=0) == "nothing to do"
    assert of(to_copy_items=0) == "would do"
    switched = replace(PORTAIL, phase=Phase.SWITCHED_OVER, steps=("gate: accept", "accept"))
    assert words(replace(REPORT, applications=(switched,)))["dataset files"] == "nothing to do"
    assert words(replace(REPORT, applications=(replace(PORTAIL, steps=()),))) == {"steps": "nothing to do"}
