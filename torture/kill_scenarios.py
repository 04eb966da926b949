"""What a run is killed in: what the source holds, what led to it, and the command."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.trees import build_attributes, set_folder_times, write_file

_MIB = 1 << 20


@dataclass(frozen=True)
class Scenario:
    """Something that a run does, from a state that earlier runs have led to."""

    name: str
    about: str
    build: Callable[[Path], None]  # the source
    command: tuple[str, ...]  # the one that is killed
    before: tuple[str, ...] | None = None  # the one that leads to it
    change: Callable[[Path], None] | None = None  # made to the source in between


def build_little(source: Path) -> None:
    """A few of every kind: a run has a call for each of them."""
    root = bytes(source)
    build_attributes(root)
    for number in range(6):
        write_file(root + b"/folder %d/file" % (number % 3) + b" %d" % number, b"%d" % number * 1000)
    write_file(root + b"/names/odd \xff\n name")
    write_file(root + b"/closed/in here", mode=0o400)
    os.chmod(root + b"/closed", 0o500)
    os.makedirs(root + b"/becomes a file/with a folder")
    write_file(root + b"/becomes a folder")
    os.symlink(b"../folder 0/file 0", root + b"/names/link")
    set_folder_times(root)


def change_little(source: Path) -> None:
    """Everything that can happen to an entry between two passes."""
    (source / "folder 0" / "file 0").write_bytes(b"another content")
    (source / "folder 0" / "new").write_bytes(b"new")
    (source / "folder 1" / "file 1").unlink()
    (source / "folder 1" / "file 4").chmod(0o640)
    (source / "folder 2").rename(source / "renamed")
    (source / "names" / "link").unlink()
    (source / "names" / "link").symlink_to("elsewhere")
    shutil.rmtree(source / "becomes a file")
    (source / "becomes a file").write_bytes(b"a file now")
    (source / "becomes a folder").unlink()
    (source / "becomes a folder" / "of two").mkdir(parents=True)
    (source / "linked" / "zero").unlink()
    os.link(source / "folder 0" / "new", source / "folder 1" / "another name of it")


def build_large(source: Path) -> None:
    """A file in two chunks, which is to change in one block."""
    write_file(bytes(source / "changing"), bytes(range(256)) * (9 * _MIB // 256))


def add_large(source: Path) -> None:
    """One more in three chunks, one with a hole, and that block."""
    write_file(bytes(source / "giant"), bytes(reversed(range(256))) * (17 * _MIB // 256))
    with (source / "sparse").open("wb") as file:
        file.seek(10 * _MIB)
        file.write(b"data behind a hole")
    with (source / "changing").open("r+b") as file:
        file.seek(8 * _MIB)
        file.write(b"changed in place")


SCENARIOS = (
    Scenario("first-seed", "the first seed", build_little, ("run", "--until", "seeded")),
    Scenario(
        "catch-up",
        "catch-up, freeze and final sync, with changes and deletions",
        build_little,
        ("run", "--until", "synced", "--yes"),
        ("run", "--until", "seeded"),
        change_little,
    ),
    Scenario(
        "large-file",
        "large files in chunks, new, sparse and changed in place",
        build_large,
        ("run", "--until", "seeded"),
        ("run", "--until", "seeded"),
        add_large,
    ),
    Scenario(
        "final-sync",
        "final sync and verification under freeze",
        build_little,
        ("run", "--until", "verified", "--yes"),
        ("run", "--until", "frozen", "--yes"),
        change_little,
    ),
    Scenario(
        "switch",
        "a switch-over with hooks",
        build_little,
        ("run", "--until", "switched-over", "--yes"),
        ("run", "--until", "verified", "--yes"),
    ),
)
