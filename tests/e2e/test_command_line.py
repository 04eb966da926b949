"""The command as a process: help, streams that are closed or full, and a reader that leaves."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.cli import COMMAND, clean_environment, run, warm_interpreter
from tests.support.moves import NAME, Move
from tests.support.plans import flag_freeze

COMMANDS = [
    "plan",
    "run",
    "verify",
    "status",
    "approve",
    "limit",
    "roll-back",
    "fall-back",
    "accept",
    "decommission",
    "runbook",
    "export",
    "schema",
    "new",
    "import-inventory",
    "doctor",
    "demo",
    "report",
    "audit",
]


def shell(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which `$M` is the command."""
    prepared = {**clean_environment(), "M": " ".join(COMMAND), **environment}
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=prepared, timeout=60, check=False)


def test_help_names_every_command() -> None:
    shown = run(["--help"], clean_environment(), 0).stdout
    listing = shown.partition("Commands:")[2].partition("Exit codes:")[0]
    assert re.findall(r"^  ([a-z-]+)  +\S", listing, re.MULTILINE) == COMMANDS
    assert "..." not in listing  # no sentence is cut at 80 columns


def test_help_loads_nothing_that_only_commands_need() -> None:
    finished = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "migrator", "--help"],
        capture_output=True,
        text=True,
        env=clean_environment(),
        timeout=60,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in finished.stderr.splitlines()}
    assert "typer" in loaded
    assert loaded.isdisjoint({"paramiko", "sqlalchemy", "alembic", "pydantic", "yaml", "rich", "asyncio"})


@pytest.mark.parametrize(
    "command",
    ["plan", "verify", "status", "approve", "limit", "roll-back", "fall-back", "accept", "decommission", "export"],
)
def test_a_command_that_starts_from_nothing_says_the_same(command: str, tmp_path: Path) -> None:
    """Most tests start commands in an interpreter that is warm; see tests/support/warm.py."""
    build_plain(tmp_path / "source")
    cli = Move(tmp_path, tmp_path / "source", tmp_path / "target").cli()
    more = {"approve": ["freeze"], "limit": ["old", "1 MB/s"]}
    arguments = [command, str(cli.plan), *more.get(command, []), "--state", str(cli.state)]
    cold = subprocess.run(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=clean_environment(),
        timeout=60,
        check=False,
    )
    interpreter = warm_interpreter()
    assert interpreter.can_run(clean_environment()) or "COLD_STARTS" in os.environ
    warm = interpreter.run("migrator", arguments, clean_environment(), 60)
    assert warm.returncode == cold.returncode in {0, 4}
    assert (warm.stdout, warm.stderr) == (cold.stdout, cold.stderr)


def test_the_version_is_the_package_s() -> None:
    assert re.fullmatch(r"migrator \d+\.\d+\.\d+\n", run(["--version"], clean_environment(), 0).stdout)


@pytest.mark.parametrize(
    ("words", "index", "expected"),
    [
        ("migrator ro", 1, ["roll-back"]),
        ("migrator run p.yaml --until s", 4, ["seeded", "synced", "switched-over"]),
        ("migrator approve p.yaml f", 3, ["freeze", "fall-back"]),
    ],
)
def test_the_shell_completes(words: str, index: int, expected: list[str]) -> None:
    finished = shell(
        "$M", _MIGRATOR_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(index), _TYPER_COMPLETE_ARGS=words
    )
    assert finished.stdout.split() == expected


def test_the_completion_script_is_shown() -> None:
    finished = shell("$M --show-completion bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert finished.returncode == 0
    assert "_MIGRATOR_COMPLETE=complete_bash" in finished.stdout


def test_a_reader_that_leaves_changes_no_exit_code() -> None:
    finished = shell("$M schema | head -c 1 >/dev/null; echo ${PIPESTATUS[0]}")
    assert (finished.stdout, finished.stderr) == ("0\n", "")


def test_a_full_disk_under_the_output_is_told() -> None:
    finished = shell("$M schema >/dev/full")
    assert finished.returncode == 9
    assert finished.stderr.splitlines()[0] == "error: the output could not be written: No space left on device"
    assert finished.stderr.splitlines()[2].startswith("hint: ")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_missing_streams_do_no_harm(closed: str, tmp_path: Path) -> None:
    finished = shell(f"cd {tmp_path}; $M status missing.yaml {closed}", PYTHONPATH=os.getcwd())
    assert finished.returncode == 11
    assert finished.stdout == ""
    if "2>" not in closed:
        assert finished.stderr.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


def test_names_that_the_locale_cannot_write_do_not_stop_it(tmp_path: Path) -> None:
    finished = shell(f"cd {tmp_path}; $M status œuvre.yaml", PYTHONPATH=os.getcwd(), PYTHONIOENCODING="latin-1")
    assert finished.returncode == 11
    assert "\\u0153uvre.yaml" in finished.stderr


def test_a_missing_plan_is_told_to_programs_as_well() -> None:
    outcome = run(["status", "/nonexistent/plan.yaml", "--json"], clean_environment(), 11)
    assert [json.loads(line)["event"] for line in outcome.stdout.splitlines()][-1] == "error"


def test_a_terminal_that_goes_away_stops_nothing(tmp_path: Path) -> None:
    build_plain(tmp_path / "source")
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    begun, go_on = tmp_path / "begun", tmp_path / "go-on"
    wait = f"touch {begun}; while ! test -e {go_on}; do sleep 0.05; done; touch {move.frozen}"
    cli = move.cli(freeze={**flag_freeze(move.frozen), "apply": ["sh", "-c", wait]})
    leader, follower = os.openpty()
    arguments = [*COMMAND, "run", str(cli.plan), "--state", str(cli.state), "--yes"]
    process = subprocess.Popen(
        ["setsid", "--ctty", *arguments],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**clean_environment(), "TERM": "xterm-256color"},
    )
    try:
        os.close(follower)
        shown = read_until(leader, begun)
        os.close(leader)  # now the kernel sends SIGHUP, and every write fails
        go_on.touch()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
    assert b"seed" in shown
    assert cli.phases() == {NAME: "switched-over"}


def build_plain(root: Path) -> None:
    """A tree of three files."""
    root.mkdir()
    for name in ("one", "two", "three"):
        (root / name).write_text(name, encoding="utf-8")


def read_until(terminal: int, flag: Path) -> bytes:
    """What a terminal is shown until `flag` exists; fails after a minute."""
    shown = b""
    deadline = time.monotonic() + 60
    while not flag.exists():
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 0.05)[0]:
            shown += os.read(terminal, 65536)
    return shown
