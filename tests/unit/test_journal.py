"""`journal.db` and its inbox: plans, runs, approvals."""

from __future__ import annotations

import datetime as dt
import json
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from migrator.domain.phases import Gate
from migrator.domain.reports import RecordedRehearsal, RehearsedStep
from migrator.errors import LocalFault
from migrator.journal.folder import StateFolder
from migrator.journal.inbox import post_approval
from migrator.journal.journal import Journal
from tests.support.journals import NOON, state, yes

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return state(tmp_path)


@pytest.fixture
def journal(folder: StateFolder) -> Journal:
    return Journal.open(folder)


def found(journal: Journal, now: dt.datetime = NOON, used: frozenset[str] = frozenset()) -> str | None:
    approval = next(iter(journal.approvals(Gate.FREEZE, "portail", "digest", now, used)), None)
    return None if approval is None else approval.id


def test_there_is_no_view_before_the_first_opening(folder: StateFolder) -> None:
    assert Journal.view(folder) is None
    assert not folder.journal.exists()


def test_the_holder_is_made_once(folder: StateFolder, journal: Journal, tmp_path: Path) -> None:
    view = Journal.view(folder)
    assert view is not None
    assert journal.holder == Journal.open(folder).holder == view.holder
    assert len(bytes.fromhex(journal.holder)) == 16
    assert journal.holder != Journal.open(StateFolder(tmp_path / "other", "paris-2018")).holder


def test_the_newest_plan_counts_and_the_others_stay(journal: Journal) -> None:
    assert journal.recorded_plan() is None
    journal.record_plan("one", "{}", "Ada")
    journal.record_plan("two", '{"a":1}', "Grace")
    plan = journal.recorded_plan()
    assert plan is not None
    assert plan[:2] == ("two", '{"a":1}')
    assert plan.recorded_by == "Grace"
    assert abs(dt.datetime.now(dt.UTC) - plan.recorded_at) < HOUR
    assert journal.check_chain() == []


def test_run_ids_are_unique_and_sort_by_time(journal: Journal) -> None:
    ids = [journal.begin_run("run", "digest", "migrator 0.1.0") for _ in range(5)]
    assert ids == sorted(set(ids))
    journal.end_run(ids[0], 0)
    with pytest.raises(LookupError):
        journal.end_run("no such run", 0)


def test_an_approval_holds_for_exactly_what_it_says(journal: Journal) -> None:
    journal.approve(yes())
    assert journal.approvals(Gate.FREEZE, "portail", "digest", NOON, frozenset()) == [yes()]
    assert journal.approvals(Gate.SWITCH_OVER, "portail", "digest", NOON, frozenset()) == []
    assert journal.approvals(Gate.FREEZE, "other", "digest", NOON, frozenset()) == []
    assert journal.approvals(Gate.FREEZE, "portail", "changed", NOON, frozenset()) == []


def test_an_approval_that_was_used_does_not_count_again(journal: Journal) -> None:
    journal.approve(yes("yes-1"))
    assert found(journal, used=frozenset({"yes-1"})) is None
    journal.approve(yes("yes-2", approved_at=NOON + HOUR))
    assert found(journal) == "yes-1"
    assert found(journal, used=frozenset({"yes-1"})) == "yes-2"


@pytest.mark.parametrize(
    ("now", "holds"),
    [(NOON - HOUR, False), (NOON, True), (NOON + HOUR, True), (NOON + 2 * HOUR, True), (NOON + 3 * HOUR, False)],
    ids=str,
)
def test_an_approval_holds_within_its_time_ends_included(journal: Journal, now: dt.datetime, holds: bool) -> None:
    journal.approve(yes(not_before=NOON, not_after=NOON + 2 * HOUR))
    assert (found(journal, now) is not None) is holds


def test_times_of_other_zones_are_the_same_times(journal: Journal) -> None:
    paris = dt.timezone(dt.timedelta(hours=2))
    journal.approve(yes(not_before=dt.datetime(2018, 7, 28, 14, 0, tzinfo=paris)))
    assert found(journal, NOON) == "yes-1"
    assert found(journal, NOON - HOUR) is None


class TestInbox:
    """Approvals that were left without a lock."""

    def test_a_posted_approval_counts_for_a_view_at_once_and_for_the_coordinator_once_it_looked(
        self, folder: StateFolder, journal: Journal
    ) -> None:
        approval = yes(not_before=NOON, not_after=NOON + HOUR, manifest_root="root")
        post_approval(folder, approval)
        view = Journal.view(folder)
        assert view is not None
        assert view.approvals(Gate.FREEZE, "portail", "digest", NOON, frozenset()) == [approval]
        assert found(journal) is None
        assert journal.absorb_inbox() == 1
        assert journal.approvals(Gate.FREEZE, "portail", "digest", NOON, frozenset()) == [approval]
        assert os.listdir(folder.inbox) == ["refused"]
        assert journal.absorb_inbox() == 0
        assert journal.check_chain() == []

    def test_posting_needs_no_state_to_be_there(self, tmp_path: Path) -> None:
        folder = StateFolder(tmp_path / "new", "paris-2018")
        post_approval(folder, yes())
        assert Journal.open(folder).absorb_inbox() == 1

    def test_a_file_that_was_recorded_but_not_deleted_is_recorded_once(
        self, folder: StateFolder, journal: Journal
    ) -> None:
        journal.approve(yes())
        post_approval(folder, yes())
        assert journal.absorb_inbox() == 1
        assert journal.check_chain() == []
        assert os.listdir(folder.inbox) == ["refused"]

    def test_another_approval_of_the_same_id_is_refused(self, folder: StateFolder, journal: Journal) -> None:
        journal.approve(yes())
        post_approval(folder, yes(approved_by="Mallory"))
        assert journal.absorb_inbox() == 0
        assert len(os.listdir(folder.refused)) == 1
        (approval,) = journal.approvals(Gate.FREEZE, "portail", "digest", NOON, frozenset())
        assert approval is not None
        assert approval.approved_by == "Ada"

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{",
            b"[]",
            b"\xff",
            b"{}",
            b'{"format": "approval-2"}',
            b"[" * 60_000,
            b" " * 70_000,
            json.dumps({"format": "approval-1", **yes()._asdict()}, default=str).replace("freeze", "melt").encode(),
            json.dumps({"format": "approval-1", **yes(approved_at=None)._asdict()}, default=str).encode(),
            json.dumps({"format": "approval-1", **yes(plan_digest=7)._asdict()}, default=str).encode(),
            json.dumps({"format": "approval-1", **yes(application="")._asdict()}, default=str).encode(),
            json.dumps({"format": "approval-1", **yes()._asdict(), "more": "x"}, default=str).encode(),
            json.dumps({"format": "approval-1", **yes()._asdict()}, default=str).replace("+00:00", "").encode(),
        ],
        ids=lambda content: repr(content[:30]),
    )
    def test_what_is_no_approval_is_put_aside_and_recorded(
        self, folder: StateFolder, journal: Journal, content: bytes
    ) -> None:
        (folder.inbox / "odd.json").write_bytes(content)
        post_approval(folder, yes())
        view = Journal.view(folder)
        assert view is not None
        assert found(view) == "yes-1"
        assert journal.absorb_inbox() == 1
        assert found(journal) == "yes-1"
        [kept] = folder.refused.iterdir()
        assert kept.name.startswith("odd.json")
        assert kept.read_bytes() == content
        assert journal.check_chain() == []

    def test_what_is_no_plain_file_is_not_opened(self, folder: StateFolder, journal: Journal, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_text("secret")
        (folder.inbox / "link.json").symlink_to(secret)
        (folder.inbox / "folder.json").mkdir()
        os.mkfifo(folder.inbox / "pipe.json")
        assert journal.absorb_inbox() == 0
        assert len(os.listdir(folder.refused)) == 3
        assert os.listdir(folder.inbox) == ["refused"]

    def test_a_file_that_is_still_being_written_is_left_alone(self, folder: StateFolder, journal: Journal) -> None:
        (folder.inbox / ".half").write_text("{")
        assert journal.absorb_inbox() == 0
        assert sorted(os.listdir(folder.inbox)) == [".half", "refused"]


def test_a_journal_that_was_taken_away_is_told(folder: StateFolder, journal: Journal) -> None:
    folder.journal.unlink()
    with pytest.raises(LocalFault, match="taken away"):
        journal.recorded_plan()


def test_the_last_rehearsal_of_an_application_is_found_with_its_steps(folder: StateFolder, journal: Journal) -> None:
    run_id = journal.begin_run("rehearse", "digest", "versions")
    assert journal.last_rehearsal("portail") is None
    failed = RecordedRehearsal(NOON, "digest", "versions", "{}", (), "the link broke")
    made = replace(failed, ended_at=NOON + HOUR, steps=(RehearsedStep("seed", 12.5), RehearsedStep("verify", 0.125)))
    journal.record_rehearsal("portail", run_id, failed)
    journal.record_rehearsal("annuaire", run_id, failed)
    assert journal.last_rehearsal("portail") == failed
    journal.record_rehearsal("portail", run_id, replace(made, error=None))
    view = Journal.view(folder)
    assert view is not None
    assert view.last_rehearsal("portail") == replace(made, error=None)
    assert view.last_rehearsal("annuaire") == failed
    assert journal.check_chain() == []


def test_a_rehearsal_that_was_changed_by_hand_breaks_the_chain(folder: StateFolder, journal: Journal) -> None:
    run_id = journal.begin_run("rehearse", "digest", "versions")
    steps = (RehearsedStep("verify", 3600.0),)
    journal.record_rehearsal("portail", run_id, RecordedRehearsal(NOON, "digest", "versions", "{}", steps))
    with sqlite3.connect(folder.journal) as raw:
        raw.execute("UPDATE rehearsed_step SET milliseconds = 1")
    raw.close()
    assert journal.check_chain() == ["rehearsed_step 1 is not what the chain recorded"]
