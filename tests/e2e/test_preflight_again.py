"""The preflight once more, over a target that holds what was brought: it refuses nothing that fits and stands apart."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.moves import Move
from tests.support.trees import write_file


def test_two_names_of_one_file_are_not_one_name(tmp_path: Path) -> None:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    write_file(bytes(move.source / "a"))
    os.link(move.source / "a", move.source / "A")
    cli = move.cli()
    cli("run", "--until", "seeded")
    assert "names-collide" not in cli("plan", "--json").stdout


@pytest.mark.root
def test_what_lies_there_and_is_replaced_needs_no_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(disk)], check=True)
    try:
        move = Move(tmp_path, tmp_path / "source", disk / "target")
        for number in range(60):  # what is replaced takes the room of a group of files for a moment
            write_file(bytes(move.source / str(number)), os.urandom(1_000_000))
        move.cli()("run", "--until", "seeded")
        again = move.cli(dataset={"keep": ["mode", "times"]})
        again("plan", "--accept-changes")
        again("run", "--until", "seeded")
    finally:
        subprocess.run(["umount", str(disk)], check=True)
