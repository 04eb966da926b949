"""The commands that write plans and papers for people: `new`, `import-inventory` and `runbook`, as they are typed."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.cli import COMMAND, clean_environment, run
from tests.support.moves import NAME, Move
from tests.support.sshd import wait_for
from tests.support.trees import build_many, differences


def answered(folder: Path, arguments: list[str], answers: list[str]) -> tuple[int, str]:
    """Type the command in a terminal, and an answer at each question; the exit code and what the terminal shows."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, stdin=slave, stdout=slave, stderr=slave, env=clean_environment()
    )
    os.close(slave)
    shown = b""
    os.set_blocking(master, False)

    def has_asked(times: int) -> bool:
        nonlocal shown
        with contextlib.suppress(OSError):  # nothing yet; or everybody has left the terminal
            shown += os.read(master, 65536)
        return shown.count(b"]: ") + shown.count(b"path: ") >= times or process.poll() is not None

    for number, answer in enumerate(answers, start=1):
        wait_for(lambda number=number: has_asked(number), f"question {number}", 30)  # type: ignore[misc]
        os.write(master, f"{answer}\n".encode())
    wait_for(lambda: has_asked(99), "the end", 30)
    has_asked(99)
    os.close(master)
    return process.wait(), shown.decode()


def test_a_first_plan_by_answers_moves_files(tmp_path: Path) -> None:
    build_many(bytes(tmp_path / "old"), 3)
    answers = ["", "portail", str(tmp_path / "old"), str(tmp_path / "new")]
    code, shown = answered(tmp_path, ["new"], answers)
    assert code == 0, shown
    assert "migrator plan plan.yaml" in shown
    run(["run", str(tmp_path / "plan.yaml"), "--state", str(tmp_path / "state"), "--yes"], clean_environment(), 0)
    assert differences(tmp_path / "old", tmp_path / "new") == []
    code, shown = answered(tmp_path, ["new"], [])
    assert code == 2
    assert "is there already" in shown


def test_without_a_terminal_nobody_is_asked(tmp_path: Path) -> None:
    outcome = run(["new", str(tmp_path / "plan.yaml")], clean_environment(), 2)
    assert "no terminal" in outcome.stderr
    assert not (tmp_path / "plan.yaml").exists()


def test_an_inventory_becomes_a_plan_that_is_valid(tmp_path: Path) -> None:
    inventory, plan = tmp_path / "city.csv", tmp_path / "city.yaml"
    inventory.write_text("HostName,Applications,ApplicationWave\nweb1.old,Portail,july\n")
    printed = run(["import-inventory", str(inventory), "--target", "root@dc"], clean_environment(), 0).stdout
    run(["import-inventory", str(inventory), "--target", "root@dc", "--out", str(plan)], clean_environment(), 0)
    assert plan.read_text() == printed
    assert yaml.safe_load(printed)["migration"] == "city"
    run(["plan", str(plan), "--offline"], clean_environment(), 0)
    assert (
        "is there already"
        in run(["import-inventory", str(inventory), "--out", str(plan)], clean_environment(), 2).stderr
    )
    (line,) = run(["import-inventory", str(inventory), "--target", "root@dc", "--json"], clean_environment(), 0).lines()
    assert line["text"] == printed


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_many(bytes(move.source), 3)
    return move


def test_every_command_of_the_runbook_can_be_typed_in_its_order(move: Move) -> None:
    """The column `type` of the timetable, from top to bottom, takes the application to its end."""
    cli = move.cli()
    page = cli("runbook").stdout
    typed = [line.rsplit("`", 2)[1] for line in page.splitlines() if line.startswith("| ") and "`migrator " in line]
    assert [shlex.split(each)[1] for each in typed] == [
        "run",
        "approve",
        "run",
        "approve",
        "run",
        "accept",
        "decommission",
    ]
    for each in typed[:-1]:
        run([*shlex.split(each)[1:], "--state", str(cli.state)], clean_environment(), 0)
    assert cli.phases() == {NAME: "accepted"}
    assert "measured before" in cli("runbook").stdout


def test_the_runbook_names_what_happens_and_the_way_back(move: Move) -> None:
    page = move.cli(fall_back={"source_write": True}, two_person=True)("runbook").stdout
    for words in ("gate switch-over", "two people", str(move.frozen), str(move.link), "roll-back", "copies it home"):
        assert words in page
    assert "accept-loss" not in page
    assert "accept-loss" in move.cli()("runbook").stdout


def test_a_command_stands_in_the_runbook_as_it_is_typed(move: Move) -> None:
    freeze = {"on": "here", "apply": ["sh", "-c", "ps | grep x"], "probe": ["false"], "undo": ["true"]}
    assert "`sh -c 'ps | grep x'`" in move.cli(freeze=freeze)("runbook").stdout


def test_the_runbook_as_html_carries_nothing_out(move: Move) -> None:
    script = "<script>alert(1)</script>"
    cli = move.cli(freeze={"on": "here", "apply": ["echo", script], "probe": ["false"], "undo": ["true"]})
    out = move.folder / "runbook.html"
    cli("runbook", "--html", "--out", str(out))
    page = out.read_text()
    assert page.startswith("<!doctype html>")
    assert "<table>" in page
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert json.loads(cli("runbook", "--json").stdout.splitlines()[0])["text"].startswith("# Runbook")
