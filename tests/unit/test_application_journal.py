"""The memory of one application: phase, freeze, attempts, effects, approvals used up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrator.domain.entries import Class, Item, Kind
from migrator.domain.phases import Phase
from migrator.errors import Held
from migrator.journal.application import ApplicationJournal, ApplicationView
from migrator.journal.folder import StateFolder
from migrator.journal.manifest import Copied
from tests.support.journals import directory, file, state


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return state(tmp_path)


@pytest.fixture
def journal(folder: StateFolder) -> Iterator[ApplicationJournal]:
    with ApplicationJournal.open(folder, "portail") as opened:
        yield opened


def test_a_new_application_is_planned_and_not_frozen(journal: ApplicationJournal) -> None:
    assert journal.phase.value == "planned"
    assert (journal.freeze_seq, journal.frozen_at) == (None, None)
    assert journal.attempts() == []
    assert journal.used_approvals() == frozenset()


def test_everything_is_there_again_after_reopening(folder: StateFolder) -> None:
    with ApplicationJournal.open(folder, "portail") as first:
        key, seq = first.temp_key, first.current_seq()
        first.finish_attempt(first.begin_attempt("run-1", "seed"), Phase.SEEDED)
        first.mark("in-pass", "files")
    with ApplicationJournal.open(folder, "portail") as second:
        assert second.temp_key == key
        assert len(key) == 32
        assert second.current_seq() == seq
        assert second.phase.value == "seeded"
        assert second.marked("in-pass") == "files"


def test_two_applications_have_different_keys(folder: StateFolder) -> None:
    with ApplicationJournal.open(folder, "a") as first, ApplicationJournal.open(folder, "b") as second:
        assert first.temp_key != second.temp_key
    assert folder.application_names() == ("a", "b")


def test_a_second_opening_is_held_until_the_first_closes(folder: StateFolder) -> None:
    first = ApplicationJournal.open(folder, "portail")
    with pytest.raises(Held, match="another run holds application `portail`"):
        ApplicationJournal.open(folder, "portail")
    first.close()
    first.close()
    ApplicationJournal.open(folder, "portail").close()


def test_an_attempt_that_is_done_moves_the_phase(journal: ApplicationJournal) -> None:
    number = journal.begin_attempt("run-1", "seed")
    [begun] = journal.attempts()
    assert (begun.step, begun.run_id, begun.ended_at, begun.error) == ("seed", "run-1", None, None)
    assert journal.phase.value == "planned"
    journal.finish_attempt(number, Phase.SEEDED, approvals=["yes-1"])
    [done] = journal.attempts()
    assert done.ended_at is not None
    assert done.started_at <= done.ended_at
    assert done.started_at.tzinfo is dt.UTC
    assert journal.phase.value == "seeded"
    assert journal.reached_at(Phase.SEEDED) == done.ended_at
    assert journal.used_approvals() == {"yes-1"}


def test_an_attempt_that_fails_leaves_the_phase(journal: ApplicationJournal) -> None:
    journal.fail_attempt(journal.begin_attempt("run-1", "seed"), "the target is full", 3)
    [failed] = journal.attempts()
    assert failed.error == "the target is full"
    assert journal.phase.value == "planned"


def test_the_newest_attempts_come_first(journal: ApplicationJournal) -> None:
    for number in range(5):
        journal.begin_attempt("run-1", f"step {number}")
    assert [attempt.step for attempt in journal.attempts(2)] == ["step 4", "step 3"]


def test_an_approval_is_used_up_once(journal: ApplicationJournal) -> None:
    """Everything about a finished attempt is one transaction: what fails in it takes the rest along."""
    with pytest.raises(LookupError):
        journal.finish_attempt(99, Phase.FROZEN, approvals=["yes-1"])
    assert journal.phase.value == "planned"
    assert journal.used_approvals() == frozenset()


def test_each_arrival_at_frozen_takes_a_fresh_number_and_keeps_the_time(journal: ApplicationJournal) -> None:
    journal.finish_attempt(journal.begin_attempt("run-1", "freeze"), Phase.FROZEN)
    first, since = journal.freeze_seq, journal.frozen_at
    assert first is not None
    assert since is not None
    for phase in (Phase.SYNCED, Phase.VERIFIED):
        journal.finish_attempt(journal.begin_attempt("run-1", "on"), phase)
        assert (journal.freeze_seq, journal.frozen_at) == (first, since)
    journal.move(Phase.FROZEN, "the source changed after the freeze")
    second = journal.freeze_seq
    assert second is not None
    assert second > first
    assert journal.frozen_at == since


@pytest.mark.parametrize("phase", [Phase.PLANNED, Phase.CHECKED, Phase.SEEDED])
def test_a_thaw_forgets_the_freeze(journal: ApplicationJournal, phase: Phase) -> None:
    journal.move(Phase.FROZEN, "for the test")
    journal.move(phase, "rolled back")
    assert (journal.freeze_seq, journal.frozen_at) == (None, None)


@pytest.mark.parametrize("phase", [Phase.SWITCHING, Phase.SWITCHED_OVER, Phase.ACCEPTED])
def test_after_the_switch_the_source_stays_frozen(journal: ApplicationJournal, phase: Phase) -> None:
    journal.move(Phase.FROZEN, "for the test")
    journal.move(phase, "for the test")
    assert journal.frozen_at is not None


def test_an_effect_is_unknown_between_intent_and_confirmation(journal: ApplicationJournal) -> None:
    assert journal.last_effect("freeze") is None
    number = journal.intend("freeze", "apply")
    journal.intend("switch 1 (symlink)", "apply")
    intended = journal.last_effect("freeze")
    assert intended is not None
    assert (intended.id, intended.verb, intended.confirmed_at, intended.answer) == (number, "apply", None, None)
    journal.confirm(number, "in place")
    confirmed = journal.last_effect("freeze")
    assert confirmed is not None
    assert confirmed.answer == "in place"
    assert confirmed.confirmed_at is not None
    assert journal.intend("freeze", "undo") > number
    with pytest.raises(LookupError):
        journal.confirm(99, "in place")


def test_marks_come_and_go(journal: ApplicationJournal) -> None:
    assert journal.marked("in-pass") is None
    journal.mark("in-pass", "a")
    journal.mark("in-pass", "b")
    assert journal.marked("in-pass") == "b"
    journal.mark("in-pass", None)
    journal.mark("in-pass", None)
    assert journal.marked("in-pass") is None


def test_numbers_only_grow(journal: ApplicationJournal) -> None:
    manifest = journal.manifest("files")
    numbers = [journal.current_seq()]
    numbers.append(manifest.copied([Copied(file(b"a"), None, "stream")]))
    numbers.append(manifest.verified([(b"a", None)], "read"))
    numbers.append(manifest.failed([(b"a", "why")]))
    numbers.append(manifest.begin_scan().end().seq)
    journal.move(Phase.FROZEN, "for the test")
    numbers.append(journal.freeze_seq or 0)
    assert numbers == sorted(set(numbers))
    assert journal.current_seq() == numbers[-1]


class TestView:
    """Looking on while the run goes on."""

    def test_there_is_nothing_to_see_before_the_first_run(self, folder: StateFolder) -> None:
        assert ApplicationView.open(folder, "portail") is None
        assert folder.application_names() == ()

    def test_it_sees_each_commit(self, folder: StateFolder, journal: ApplicationJournal) -> None:
        view = ApplicationView.open(folder, "portail")
        assert view is not None
        with view:
            assert view.phase.value == "planned"
            journal.finish_attempt(journal.begin_attempt("run-1", "freeze"), Phase.FROZEN, approvals=["yes-1"])
            assert view.phase.value == "frozen"
            assert (view.freeze_seq, view.frozen_at) == (journal.freeze_seq, journal.frozen_at)
            assert view.attempts() == journal.attempts()
            assert view.used_approvals() == {"yes-1"}
            assert view.reached_at(Phase.FROZEN) == journal.reached_at(Phase.FROZEN)
            journal.manifest("files").begin_scan().note([file(b"a")])
            assert view.tally() == journal.tally()
            assert view.tally().items == {Class.PENDING: 1}

    def test_items_come_dataset_by_dataset_in_path_order(
        self, folder: StateFolder, journal: ApplicationJournal
    ) -> None:
        second, first = journal.manifest("z"), journal.manifest("a")
        scan = second.begin_scan()
        scan.note([directory(b""), file(b"b"), file(b"a")])
        scan.exclude([(file(b"cache"), "excluded by `cache`")])
        scan.end()
        copied = second.copied([Copied(file(b"a"), b"d" * 32, "stream"), Copied(file(b"gone"), b"g" * 32, "stream")])
        seq = second.verified([(b"a", None)], "target bytes read again")
        scan = second.begin_scan()
        scan.note([directory(b""), file(b"b"), file(b"a")])
        scan.exclude([(file(b"cache"), "excluded by `cache`")])
        scan.end()
        first.begin_scan().note([file(b"x")])
        view = ApplicationView.open(folder, "portail")
        assert view is not None
        with view:
            items = list(view.items())
        assert [(item.dataset, item.path, item.state) for item in items] == [
            ("a", b"x", Class.PENDING),
            ("z", b"", Class.PENDING),
            ("z", b"a", Class.VERIFIED),
            ("z", b"b", Class.PENDING),
            ("z", b"cache", Class.EXCLUDED),
        ]
        assert copied < seq
        by = "target bytes read again"
        wanted = Item("z", b"a", Kind.FILE, 5, file(b"a").mtime_ns, Class.VERIFIED, seq, b"d" * 32, by, None)
        assert items[2] == wanted
        assert items[4].reason == "excluded by `cache`"

    def test_what_changed_since_does_not_look_verified(self, folder: StateFolder, journal: ApplicationJournal) -> None:
        manifest = journal.manifest("files")
        copied = manifest.copied([Copied(file(b"a"), b"d" * 32, "stream")])
        manifest.verified([(b"a", None)], "target bytes read again")
        manifest.begin_scan().note([file(b"a", size=6)])
        view = ApplicationView.open(folder, "portail")
        assert view is not None
        with view:
            [item] = view.items()
        assert (item.state, item.seq, item.sha256, item.verified_by) == (Class.PENDING, copied, None, None)
        assert item.reason == "changed at the source"

    def test_items_are_one_look_although_the_run_goes_on(
        self, folder: StateFolder, journal: ApplicationJournal
    ) -> None:
        manifest = journal.manifest("files")
        manifest.begin_scan().note([file(b"%05d" % number) for number in range(3000)])
        view = ApplicationView.open(folder, "portail")
        assert view is not None
        with view:
            items = view.items()
            seen = [next(items)]
            manifest.copied([Copied(file(b"%05d" % number), None, "stream") for number in range(3000)])
            seen += items
        assert {item.state for item in seen} == {Class.PENDING}
        assert len(seen) == 3000
