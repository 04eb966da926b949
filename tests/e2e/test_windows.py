"""Windows and cutover hours, kept by the command: what a user reads, and that nothing happened meanwhile."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.support.clocks import set_to
from tests.support.moves import NAME, Move
from tests.support.trees import build_nasty, differences

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def now() -> dt.datetime:
    """Now, in the zone of the plans."""
    return dt.datetime.now(dt.UTC)


def hours(begin: dt.timedelta, end: dt.timedelta) -> dict[str, str]:
    """Cutover hours around now, once a week."""
    start = now() + begin
    return {"days": _DAYS[start.weekday()], "hours": f"{start:%H:%M}-{now() + end:%H:%M}"}


def in_minutes(minutes: int) -> dt.timedelta:
    return dt.timedelta(minutes=minutes)


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_nasty(bytes(move.source))
    return move


def cli_with(move: Move, **wave: object) -> Cli:
    """The command line for a plan whose wave has these keys."""
    cli = move.cli()
    text = cli.plan.read_text(encoding="utf-8")
    lines = [f"  {key}: {_yaml(value)}\n" for key, value in wave.items()]
    cli.plan.write_text(text.replace("- name: july\n", "- name: july\n" + "".join(lines)), encoding="utf-8")
    return cli


def _yaml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'{key}: "{each}"' for key, each in value.items()) + "}"
    return str(value)


@pytest.mark.parametrize("until", [(), ("--until", "seeded"), ("--until", "switched-over")])
def test_outside_its_window_a_wave_does_not_begin(until: tuple[str, ...], move: Move) -> None:
    opens = now().date() + dt.timedelta(days=3)
    cli = cli_with(move, window={"from": opens})
    outcome = cli("run", "--yes", *until, expect=5)
    assert f"{opens} 00:00 UTC" in outcome.stderr
    assert "hint:" in outcome.stderr
    assert not move.target.exists()
    assert cli.phases() == {NAME: "planned"}
    assert f"window opens {opens:%a} {opens} 00:00 UTC" in cli("status").stdout


def test_a_window_that_is_over_says_so(move: Move) -> None:
    cli = cli_with(move, window={"to": now().date() - dt.timedelta(days=1)})
    assert "closed for good" in cli("run", expect=5).stderr
    assert "does not open again" in cli("status").stdout


def test_outside_the_hours_it_seeds_and_does_not_freeze(move: Move) -> None:
    cli = cli_with(move, cutover=hours(in_minutes(24 * 60), in_minutes(24 * 60 + 120)))
    opens = f"{now() + in_minutes(24 * 60):%a %Y-%m-%d}"
    outcome = cli("run", "--yes", expect=5)
    assert opens in outcome.stderr
    assert cli.phases() == {NAME: "seeded"}
    assert differences(move.source, move.target) == []
    assert not move.frozen.exists()
    cli("run", "--yes", "--until", "seeded")
    cli("run", "--yes", "--until", "frozen", expect=5)
    assert not move.frozen.exists()
    status = cli("status")
    assert f"cutover opens {opens}" in status.stdout
    assert "last safe moment to abort" in status.stdout
    assert "last safe moment to abort" in cli("plan").stdout


def test_a_closed_day_is_no_day_for_a_cutover(move: Move) -> None:
    cli = cli_with(move)
    today, tomorrow = now().date(), now().date() + dt.timedelta(days=1)
    with cli.plan.open("a", encoding="utf-8") as file:
        file.write(f"calendar: {{closed: [{today}, {tomorrow}]}}\n")
    outcome = cli("run", "--yes", expect=5)
    assert f"{tomorrow + dt.timedelta(days=1)} 00:00 UTC" in outcome.stderr
    assert cli.phases() == {NAME: "seeded"}


def test_within_the_hours_it_goes_all_the_way_and_tells_the_last_safe_moment(move: Move) -> None:
    cli = cli_with(move, cutover=hours(in_minutes(-60), in_minutes(180)))
    outcome = cli("run", "--yes", "--json")
    assert cli.phases() == {NAME: "switched-over"}
    told = outcome.events("cutover.limited")
    assert told
    moments = [dt.datetime.fromisoformat(told[0][name]) for name in ("switch_by", "abort_by", "ends_at")]
    assert moments == sorted(moments)
    assert now() < moments[0]
    assert "last safe moment to abort" not in cli("status").stdout, "it is behind"


def test_no_freeze_that_cannot_be_finished(move: Move) -> None:
    cli = cli_with(move, cutover=hours(in_minutes(-60), in_minutes(4)))
    outcome = cli("run", "--yes", expect=5)
    assert "the freeze does not begin" in outcome.stderr
    assert "too short" in outcome.stderr
    assert "time-outs added up" in outcome.stderr
    assert not move.frozen.exists()
    assert cli.phases() == {NAME: "seeded"}


def test_what_was_rehearsed_is_reckoned_with(move: Move) -> None:
    cli = cli_with(move, cutover=hours(in_minutes(-60), in_minutes(4)))
    cli("run", "--rehearse")
    refusal = " ".join(cli("run", "--yes", expect=5).stderr.split())
    assert "s: rehearsed; the guard" in refusal
    assert "the switches 4 min: time-outs added up" in refusal
    assert ": assumed" not in refusal


def test_no_switch_without_time_to_take_it_back(move: Move) -> None:
    cli = cli_with(move, cutover=hours(in_minutes(-60), in_minutes(180)))
    cli("run", "--yes", "--until", "verified")
    late = cli_with(move, cutover=hours(in_minutes(-60), in_minutes(3)))
    late("plan", "--accept-changes")
    outcome = late("run", "--yes", expect=5)
    assert "the switch does not begin" in outcome.stderr
    assert "too short" in outcome.stderr
    assert f"roll-back {late.plan}" in outcome.stderr
    assert move.is_untouched
    assert late.phases() == {NAME: "verified"}
    late("roll-back", "--yes")
    assert not move.frozen.exists(), "going back is not bound to any hours"


def test_a_frozen_source_after_the_hours_is_told_the_way_back(move: Move) -> None:
    cli = cli_with(move, cutover=hours(in_minutes(-60), in_minutes(180)))
    cli("run", "--yes", "--until", "frozen")
    over = cli_with(move, cutover=hours(in_minutes(-120), in_minutes(-60)))
    over("plan", "--accept-changes")
    outcome = over("run", "--yes", expect=5)
    assert "thaws" in outcome.stderr
    assert over.phases() == {NAME: "frozen"}


def test_a_window_that_ends_in_mid_run_ends_it_in_good_order_and_the_next_goes_on(tmp_path: Path) -> None:
    end = {"local": True, "limits": {"bandwidth": "100 kB/s"}}  # 40 seconds
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target", source_end=end)
    move.source.mkdir()
    for number in range(40):
        (move.source / f"file-{number:02}").write_bytes(os.urandom(100_000))
    cli = cli_with(move, window={"to": "2018-07-28"}, cutover={"days": "sun", "hours": "00:00-06:00"})
    last_minute = dt.datetime(2018, 7, 28, 23, 59, 40, tzinfo=dt.UTC)  # time enough to begin, and not to end

    late = replace(cli, environment=set_to(last_minute, tmp_path / "clock"))
    outcome = late("run", "--yes", "--json", expect=5)

    (ended,) = [event for event in outcome.events("step.ended") if event["error"] and event["step"] == "seed"]
    assert "the window of wave `july` is closed for good" in ended["error"]
    arrived = {event["path"] for event in outcome.events("item.acknowledged")}
    assert 0 < len(arrived) < 40
    assert cli.phases() == {NAME: "checked"}
    assert not move.frozen.exists()

    quick = replace(move, source_end={"local": True})
    longer = replace(cli_with(quick, window={"to": "2018-07-30"}), environment=set_to(last_minute, tmp_path / "clock"))
    longer("plan", "--accept-changes")
    again = longer("run", "--until", "seeded", "--json")
    assert differences(move.source, move.target) == []
    assert list(move.target.rglob(".migrator-*")) == []
    assert arrived.isdisjoint(event["path"] for event in again.events("item.acknowledged") if event["kind"] == "file")
