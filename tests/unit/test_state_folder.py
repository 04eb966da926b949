"""The state folder: where things lie, and who may look at them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from migrator.errors import LocalFault
from migrator.journal.application import ApplicationJournal
from migrator.journal.folder import StateFolder
from migrator.journal.inbox import post_approval
from migrator.journal.journal import Journal
from tests.support.journals import file, state, yes


def test_folders_and_files_are_their_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)  # nothing may depend on it
    try:
        folder = state(tmp_path)
        Journal.open(folder)
        post_approval(folder, yes())
        with ApplicationJournal.open(folder, "portail") as journal:
            journal.manifest("files").begin_scan().note([file(b"a")])
            found = {path: stat.S_IMODE(path.stat().st_mode) for path in folder.path.rglob("*")}
    finally:
        os.umask(before)
    assert {path.name for path in found} >= {"journal.db", "portail.db", "portail.db-wal", "portail.lock", "inbox"}
    assert {path: mode for path, mode in found.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_looking_creates_nothing(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state", "paris-2018")
    assert folder.application_names() == ()
    assert list(tmp_path.iterdir()) == []


def test_making_it_twice_is_fine(tmp_path: Path) -> None:
    state(tmp_path)
    state(tmp_path)


def test_a_folder_that_others_may_enter_is_refused_and_left(tmp_path: Path) -> None:
    folder = state(tmp_path)
    folder.path.chmod(0o750)
    with pytest.raises(LocalFault, match="open to other users") as refusal:
        folder.create()
    assert refusal.value.hint is not None
    assert "chmod go-rwx" in refusal.value.hint
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o750


def test_another_users_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = state(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(LocalFault, match="belongs to another user"):
        folder.create()


def test_something_else_in_its_place_is_refused(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path, "paris-2018")
    folder.path.write_text("a file")
    with pytest.raises(LocalFault, match="is not a folder"):
        folder.create()
    with pytest.raises(LocalFault, match="cannot be made"):
        StateFolder(folder.path, "paris-2018").create()


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "-x", "a\0b", "a\n", "é"], ids=repr)
def test_a_name_never_leaves_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        StateFolder(tmp_path, name)
    with pytest.raises(ValueError, match="not a name"):
        StateFolder(tmp_path, "paris-2018").database(name)
