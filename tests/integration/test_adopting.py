"""Adoption: what already stands at the target is kept when its bytes are right, and replaced when they are not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrator.domain.entries import Class
from migrator.steps.seed import adopt
from tests.support.crossings import KEEP, Ferry, ferry
from tests.support.moves import flip_a_byte
from tests.support.trees import build_many, differences, set_folder_times

FILES = 40


@pytest.fixture
def boat(tmp_path: Path) -> Iterator[Ferry]:
    """A source, and a target that an earlier tool has already filled."""
    build_many(bytes(tmp_path / "source"), FILES, files_per_folder=10)
    set_folder_times(bytes(tmp_path / "source"))
    shutil.copytree(tmp_path / "source", tmp_path / "target")
    with ferry(tmp_path, tmp_path / "source") as boat:
        yield boat


def inodes(root: Path) -> dict[bytes, int]:
    return {
        os.path.relpath(os.path.join(folder, name), bytes(root)): os.lstat(os.path.join(folder, name)).st_ino
        for folder, _, names in os.walk(bytes(root))
        for name in names
    }


def test_what_is_equal_is_kept_and_counts_as_read_on_both_sides(boat: Ferry) -> None:
    before = inodes(boat.target)
    adopt(boat.crossing())
    boat.copy()
    assert inodes(boat.target) == before, "no file was carried again"
    assert differences(boat.source, boat.target) == []
    assert len(boat.told(Class.VERIFIED)) == FILES
    assert boat.told(Class.ACKNOWLEDGED) == []
    boat.verify()
    assert boat.unproven() == []


def test_what_only_looks_equal_is_replaced(boat: Ferry) -> None:
    before = inodes(boat.target)
    flip_a_byte(boat.target / "folder 0001/file 000011")
    flip_a_byte(boat.target / "folder 0002/file 000022")
    (boat.target / "folder 0003/file 000033").unlink()
    (boat.target / "folder 0000/file 000001").write_bytes(b"of another size")
    adopt(boat.crossing())
    assert boat.states()[b"folder 0001/file 000011"] is Class.FAILED
    assert [note for note in boat.notes() if "36 entries at the target are kept, 2 differ and are replaced" in note]
    tallies = boat.copy()
    assert tallies.failed == 0
    assert differences(boat.source, boat.target) == []
    changed = {path for path, inode in inodes(boat.target).items() if before[path] != inode}
    assert changed <= {
        b"folder 0001/file 000011",
        b"folder 0002/file 000022",
        b"folder 0003/file 000033",
        b"folder 0000/file 000001",
    }


def test_what_the_source_does_not_have_is_foreign_and_survives_the_final_pass(boat: Ferry) -> None:
    (boat.target / "stranger").write_bytes(b"stranger")
    adopt(boat.crossing())
    boat.copy()
    boat.final()
    assert boat.journal.tally().foreign == 1
    assert (boat.target / "stranger").exists()


def test_adopting_twice_changes_nothing(boat: Ferry) -> None:
    adopt(boat.crossing())
    before, moved = inodes(boat.target), boat.moved_bytes()
    adopt(boat.crossing())
    assert boat.moved_bytes() == moved
    boat.copy()
    assert inodes(boat.target) == before


def test_names_that_are_files_of_their_own_at_the_target_become_one_again(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    build_many(bytes(source), 4)
    os.link(source / "folder 0000" / "file 000001", source / "another name")
    set_folder_times(bytes(source))
    shutil.copytree(source, target)
    with ferry(tmp_path, source, keep=KEEP | {"hardlinks"}) as boat:
        before = inodes(target)
        adopt(boat.crossing())
        moved = boat.moved_bytes()
        assert boat.copy().failed == 0
        assert differences(source, target, everything=True) == []
        assert boat.moved_bytes() == moved, "nothing is read again for a name"
        changed = {path for path, inode in inodes(target).items() if before.get(path) != inode}
        assert len(changed) == 1
