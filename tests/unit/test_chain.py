"""The chain: whoever changes, takes or swaps a single row is found out."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from migrator.domain.phases import Phase
from migrator.errors import LocalFault
from migrator.journal.application import ApplicationJournal, ApplicationView
from migrator.journal.folder import StateFolder
from migrator.journal.journal import Journal
from tests.support.journals import directory, state, yes


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> StateFolder:
    """State with something of everything in it."""
    folder = state(tmp_path_factory.mktemp("sound"))
    journal = Journal.open(folder)
    journal.record_plan("one", "{}", "Ada")
    journal.record_plan("two", "{}", "Ada")
    journal.end_run(journal.begin_run("run", "two", "migrator 0.1.0"), 0)
    journal.approve(yes("yes-1"))
    journal.approve(yes("yes-2"))
    (folder.inbox / "odd.json").write_text("{")
    journal.absorb_inbox()
    with ApplicationJournal.open(folder, "portail") as application:
        application.finish_attempt(application.begin_attempt("run-1", "freeze"), Phase.FROZEN, approvals=["yes-1"])
        application.fail_attempt(application.begin_attempt("run-1", "final-sync"), "no", 3)
        application.confirm(application.intend("freeze", "apply"), "in place")
        application.intend("switch 1", "apply")
        scan = application.manifest("files").begin_scan()
        scan.note([directory(b"")])
        scan.end()
    return folder


@pytest.fixture
def folder(sound: StateFolder, tmp_path: Path) -> StateFolder:
    """A copy, to be tampered with."""
    copy = StateFolder(tmp_path / "state", "paris-2018")
    shutil.copytree(sound.path, copy.path)
    return copy


def check_journal(folder: StateFolder) -> list[str]:
    view = Journal.view(folder)
    assert view is not None
    return view.check_chain()


def check_application(folder: StateFolder) -> list[str]:
    view = ApplicationView.open(folder, "portail")
    assert view is not None
    with view:
        return view.check_chain()


def tamper(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as raw:
        for statement in statements:
            assert raw.execute(statement).rowcount > 0, f"`{statement}` changed nothing"
        raw.commit()


def test_untouched_state_is_sound(folder: StateFolder) -> None:
    assert check_journal(folder) == []
    assert check_application(folder) == []


JOURNAL = [
    "UPDATE recorded_plan SET content = '[]' WHERE id = 1",
    "DELETE FROM recorded_plan WHERE id = 2",
    "UPDATE run SET exit_code = 3",
    "UPDATE run SET ended_at = NULL",
    "DELETE FROM run",
    "UPDATE approval SET approved_by = 'Mallory' WHERE id = 'yes-1'",
    "UPDATE approval SET not_after = 'not a time' WHERE id = 'yes-1'",
    "UPDATE approval SET gate = 'switch-over' WHERE id = 'yes-2'",
    "UPDATE approval SET id = 'yes-3' WHERE id = 'yes-2'",
    "DELETE FROM approval WHERE id = 'yes-2'",
    "INSERT INTO approval (id, gate, application, plan_digest, approved_by, approved_at) VALUES (3, 4, 5, 6, 7, 8)",
    "DELETE FROM refused_file",
]
APPLICATION = [
    "UPDATE standing SET phase = 'verified'",
    "UPDATE standing SET freeze_seq = 0",
    "UPDATE standing SET frozen_at = NULL",
    "DELETE FROM standing",
    "UPDATE attempt SET error = NULL, exit_code = NULL WHERE id = 2",
    "DELETE FROM attempt WHERE id = 2",
    "DELETE FROM used_approval",
    "UPDATE effect SET answer = 'not in place' WHERE id = 1",
    "UPDATE effect SET confirmed_at = intended_at WHERE id = 2",
    "UPDATE scan SET is_complete = 0",
    "UPDATE scan SET seq = 99",
    "DELETE FROM scan",
]
CHAIN = [
    "UPDATE chain SET body = '{}' WHERE number = 2",
    "UPDATE chain SET at = '2018-07-28T12:00:00.000000+00:00' WHERE number = 2",
    "UPDATE chain SET subject = 'other' WHERE number = 2",
    "UPDATE chain SET subject_id = '7' WHERE number = 2",
    "UPDATE chain SET digest = digest || '0' WHERE number = 2",
    "UPDATE chain SET digest = x'00' WHERE number = 2",
    "UPDATE chain SET number = 99 WHERE number = 2",
    "DELETE FROM chain WHERE number = 1",
    "DELETE FROM chain WHERE number = 2",
    "DELETE FROM chain WHERE number = (SELECT max(number) FROM chain)",
    "DELETE FROM chain",
    "DELETE FROM fact WHERE name = 'chain-head'",
    "UPDATE fact SET value = '1 x' WHERE name = 'chain-head'",
]


@pytest.mark.parametrize("statement", [*JOURNAL, *CHAIN])
def test_tampering_with_the_journal_is_found(folder: StateFolder, statement: str) -> None:
    tamper(folder.journal, statement)
    assert check_journal(folder)
    assert check_application(folder) == []


@pytest.mark.parametrize("statement", [*APPLICATION, *CHAIN])
def test_tampering_with_an_application_is_found(folder: StateFolder, statement: str) -> None:
    tamper(folder.database("portail"), statement)
    assert check_application(folder)
    assert check_journal(folder) == []


def test_every_single_row_counts(folder: StateFolder) -> None:
    """Each row of the chain, missing or swapped with the next one."""
    path = folder.database("portail")
    sound = path.read_bytes()
    with closing(sqlite3.connect(path)) as raw:
        [rows] = raw.execute("SELECT max(number) FROM chain").fetchone()
    assert rows > 8
    for number in range(1, rows + 1):
        tamper(path, f"DELETE FROM chain WHERE number = {number}")
        assert check_application(folder), number
        path.write_bytes(sound)
    for number in range(1, rows):
        tamper(
            path,
            f"UPDATE chain SET number = -1 WHERE number = {number}",
            f"UPDATE chain SET number = {number} WHERE number = {number + 1}",
            f"UPDATE chain SET number = {number + 1} WHERE number = -1",
        )
        assert check_application(folder), number
        path.write_bytes(sound)
    assert check_application(folder) == []


def test_one_changed_row_is_told_as_one_problem(folder: StateFolder) -> None:
    tamper(folder.journal, "UPDATE approval SET approved_by = 'Mallory' WHERE id = 'yes-1'")
    assert check_journal(folder) == ["approval yes-1 is not what the chain recorded"]


def test_an_application_whose_phase_was_taken_away_does_not_begin_anew(folder: StateFolder) -> None:
    tamper(folder.database("portail"), "DELETE FROM standing")
    with pytest.raises(LocalFault, match="its phase is missing"):
        ApplicationJournal.open(folder, "portail")


def test_nothing_is_added_to_a_chain_whose_end_was_cut_off(folder: StateFolder) -> None:
    """Or the next record would cover up the loss."""
    tamper(folder.journal, "DELETE FROM chain WHERE number = (SELECT max(number) FROM chain)")
    with pytest.raises(LocalFault, match="not where it was left"):
        Journal.open(folder).record_plan("three", "{}", "Ada")
    with pytest.raises(LocalFault, match="not where it was left"):
        Journal.open(folder).begin_run("run", "two", "migrator 0.1.0")
    plan = Journal.open(folder).recorded_plan()
    assert plan is not None
    assert plan.digest == "two"
