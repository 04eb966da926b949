"""docs/command-line.md says the same as the program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from migrator.console.jsonl import event_form
from migrator.domain import events
from migrator.domain.entries import Class, Kind
from migrator.domain.phases import UNTIL, Gate, Phase
from tests.support.cli import clean_environment, run

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^### ([a-z-]+)\n\n```\nmigrator", PAGE, re.MULTILINE)
LATER = ("decommission", "report", "audit")


def section(title: str) -> str:
    """The text below a heading of the page, up to the next one."""
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def first_column(text: str) -> set[str]:
    """The words in backticks that stand first in the rows of a table."""
    return {word for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for word in re.findall(r"`([^`]+)`", row)}


def help_of(*command: str) -> str:
    return run([*command, "--help"], clean_environment(), expect=0).stdout


def options_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*)", text))


def test_every_command_has_its_part() -> None:
    listed = re.search(r"Commands:\n(.*?)\n\n", help_of(), re.DOTALL)
    assert listed is not None
    assert re.findall(r"^  ([a-z-]+)  ", listed[1], re.MULTILINE) == [*COMMANDS, *LATER]
    for name in LATER:
        assert f"`{name}`" in section("Not carried out yet")
        run([name, "plan.yaml"], clean_environment(), expect=4)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_options_of_a_command_are_those_it_takes(command: str) -> None:
    shown = re.search(r"^Options:\n(.*?)\n\n", help_of(command), re.MULTILINE | re.DOTALL)
    assert shown is not None
    taken = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", shown[1], re.MULTILINE))
    usage = section(command).split("```")[1]
    described = first_column(section(command))
    everywhere = options_in(" ".join(first_column(section("Options of every command"))))
    assert options_in(usage) | everywhere == taken
    assert options_in(" ".join(described)) <= options_in(usage)


def test_every_exit_code_is_told_as_in_help() -> None:
    shown = {int(code) for code in re.findall(r"^    (\d+) ", help_of(), re.MULTILINE)} | {143}
    rows = re.findall(r"^\| ([\d, ]+) \|", section("Exit codes"), re.MULTILINE)
    assert {int(code) for row in rows for code in row.split(",")} == shown


def test_every_event_is_told_with_its_fields() -> None:
    rows = {
        name: set(re.findall(r"`([^`]+)`", cells))
        for names, cells in re.findall(
            r"^\| (`.*?) \| .*? \| (.*) \|$", section("run --json, verify --json"), re.MULTILINE
        )
        for name in re.findall(r"`([^`]+)`", names)
    }
    samples: dict[str, events.Event] = {
        event.event: event
        for event in (
            events.RunStarted("r", "run", None, ()),
            events.RunEnded("r", 0),
            events.StepStarted("a", "seed"),
            events.StepEnded("a", "seed", Phase.SEEDED, 1.0),
            events.GateWaiting("a", Gate.FREEZE, "waits"),
            events.ScanProgress("a", "d", 1, 1, ended=True),
            events.WorkFound("a", "d", 1, 1),
            events.BytesMoved("a", "d", 1),
            events.ItemChanged("a", "d", b"p", Kind.FILE, 1, Class.VERIFIED, 1),
            events.ItemDeleted("a", "d", b"p"),
            events.TargetChanged("a", "d", b"p", Kind.FILE, "created", 1),
            events.TargetChanges("a", 1, 0, 0, 0, 1, "digest"),
            events.EffectNoted("a", "freeze", "apply", "done"),
            events.CheckMade("a", "check 1 (http)", "after", has_passed=True, reason=None, seconds=1.0),
            events.Note("so it is"),
        )
    }
    assert len(samples) == len(get_args(events.Event)), "an event without a sample"
    # The other classes share the row of `item.verified`.
    assert samples.keys() <= rows.keys()
    for name, event in samples.items():
        assert rows[name] == event_form(event).keys()


def test_every_phase_gate_and_class_is_named() -> None:
    for phase in UNTIL:
        assert f"`{phase}`" in section("run")
    for gate in Gate:
        assert f"`{gate}`" in section("approve")
    for state in Class:
        assert f"`{state}`" in section("Lines of export")
