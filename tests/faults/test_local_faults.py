"""System calls that fail under the confined writer: nothing lands that is not durable, nothing of ours stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Writes `count` files over old ones and prints what became of each, or the error that ended it.
PROGRAM = """
import sys
from migrator.domain.entries import Entry, Kind
from migrator.endpoints.agent.here import HereConversation
from migrator.endpoints.agent.writer import AgentWriter
from migrator.errors import MigratorError

root, count = sys.argv[1].encode(), int(sys.argv[2])
try:
    writer = AgentWriter(HereConversation(), root, b"k" * 32, frozenset({"mode", "times"}))
    for number in range(count):
        entry = Entry(b"%d" % number, Kind.FILE, 3, 0, 0o644, 0, 0)
        writer.begin(entry)
        writer.write(b"new")
        writer.finish(entry)
    for landed in writer.commit():
        print(landed.problem)
except MigratorError as error:
    print(type(error).__name__, error.message)
writer.close()
"""


def write_under(fault: str, root: Path, count: int) -> list[str]:
    """What the program prints when strace makes a system call fail."""
    traced = fault.partition(":")[0]
    command = ["strace", "-f", "-qq", "-o", os.devnull, f"--trace={traced}", f"--inject={fault}"]
    command += [sys.executable, "-c", PROGRAM, str(root), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    for number in range(10):
        (root / str(number)).write_text("old")
    return root


def contents(root: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in root.iterdir()}


OLD = {str(number): "old" for number in range(10)}


def test_a_failed_sync_of_the_file_system_is_everybody_s_problem(root: Path) -> None:
    answers = write_under("syncfs:error=EIO", root, 10)
    assert answers == ["not durable: Input/output error"] * 10
    assert contents(root) == OLD


def test_a_failed_sync_of_one_of_a_few_files_is_its_own(root: Path) -> None:
    answers = write_under("fsync:error=EIO:when=2", root, 3)
    assert answers == ["None", "not durable: Input/output error", "None"]
    assert contents(root) == {**OLD, "0": "new", "2": "new"}


def test_names_that_may_be_lost_are_not_claimed(root: Path) -> None:
    answers = write_under("fsync:error=EIO:when=3", root, 2)  # two files, then their folder
    assert answers == ["in place, but not durable: Input/output error"] * 2


def test_a_disk_that_turns_out_to_be_full_at_the_sync_stops_everything(root: Path) -> None:
    (answer,) = write_under("syncfs:error=ENOSPC", root, 10)
    assert answer == f"Incomplete the target `{root}` is full: No space left on device"
    assert contents(root) == OLD


@pytest.mark.parametrize("fault", ["write:error=EIO:when=4", "renameat,renameat2:error=EROFS:when=1"])
def test_a_failing_disk_stops_everything_with_its_reason(root: Path, fault: str) -> None:
    (answer,) = write_under(fault, root, 10)
    assert answer.startswith(f"EndpointUnavailable the target `{root}` cannot be written: ")
    assert contents(root) == OLD


def test_a_kernel_without_openat2_is_served_as_well(root: Path) -> None:
    assert write_under("openat2:error=ENOSYS", root, 10) == ["None"] * 10
    assert contents(root) == dict.fromkeys(OLD, "new")
