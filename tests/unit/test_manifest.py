"""The manifest: what passes, copies and verifications make of it, and what may be deleted because of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from migrator.domain.entries import Class, Entry, Kind, Unreadable
from migrator.domain.phases import Phase
from migrator.journal.application import ApplicationJournal
from migrator.journal.manifest import Copied, Manifest, ScanRecord
from migrator.journal.target_look import TargetLook
from tests.support.journals import directory, file, link, state

ROOT = directory(b"")
EVERYTHING = frozenset(Kind)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[ApplicationJournal]:
    with ApplicationJournal.open(state(tmp_path), "portail") as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApplicationJournal]:
    with ApplicationJournal.open(state(tmp_path_factory.mktemp("shared")), "portail") as opened:
        yield opened


@pytest.fixture
def manifest(shared: ApplicationJournal, request: pytest.FixtureRequest) -> Manifest:
    """A dataset of its own, in a database where the other tests have theirs."""
    return shared.manifest(request.node.nodeid)


def scanned(manifest: Manifest, entries: Sequence[Entry]) -> list[bytes]:
    """A complete pass; the paths to carry."""
    scan = manifest.begin_scan()
    work = scan.note(entries)
    assert scan.end().is_complete
    return [entry.path for entry in work]


def copied(manifest: Manifest, entries: Iterable[Entry]) -> int:
    return manifest.copied([Copied(each, b"d" * 32 if each.kind is Kind.FILE else None, "stream") for each in entries])


def flat(blocks: Iterable[list[Entry]]) -> list[bytes]:
    return [entry.path for block in blocks for entry in block]


def in_place(manifest: Manifest, *entries: Entry) -> None:
    """Entries that were seen and copied."""
    scanned(manifest, entries)
    copied(manifest, entries)


def test_a_first_pass_carries_everything_in_the_given_order(manifest: Manifest) -> None:
    assert scanned(manifest, [ROOT, file(b"z"), file(b"a"), link(b"m")]) == [b"", b"z", b"a", b"m"]
    assert flat(manifest.pending(EVERYTHING)) == [b"", b"a", b"m", b"z"]
    assert flat(manifest.pending({Kind.FILE})) == [b"a", b"z"]
    assert manifest.tally().items == {Class.PENDING: 4}
    assert manifest.tally().size_bytes == {Class.PENDING: 10}


def test_what_did_not_change_is_not_carried_again(manifest: Manifest) -> None:
    entries = [ROOT, file(b"a"), link(b"l")]
    in_place(manifest, *entries)
    assert scanned(manifest, entries) == []
    assert manifest.tally().items == {Class.ACKNOWLEDGED: 3}


@pytest.mark.parametrize(
    "change",
    [
        {"size": 6},
        {"mtime_ns": 7},
        {"mode": 0o600},
        {"uid": 0},
        {"gid": 0},
        {"kind": Kind.LINK, "link": b"to"},
        {"ctime_ns": 8},
        {"inode": 9},
    ],
    ids=str,
)
def test_any_fact_that_changed_makes_it_pending(manifest: Manifest, change: dict[str, object]) -> None:
    before = file(b"a", ctime_ns=1)._replace(inode=1)
    in_place(manifest, before)
    after = before._replace(**change)  # type: ignore[arg-type]
    assert scanned(manifest, [after]) == [b"a"]
    assert manifest.tally().items == {Class.PENDING: 1}
    assert [entry for block in manifest.pending(EVERYTHING) for entry in block] == [
        after if after.kind is Kind.FILE else after._replace(size=0)
    ]


def test_a_link_that_points_elsewhere_is_carried(manifest: Manifest) -> None:
    in_place(manifest, link(b"l", b"x"))
    assert scanned(manifest, [link(b"l", b"y")]) == [b"l"]


def test_what_one_lane_cannot_see_does_not_count_as_a_change(manifest: Manifest) -> None:
    in_place(manifest, file(b"a", ctime_ns=5)._replace(inode=3))
    assert scanned(manifest, [file(b"a")]) == []


def test_the_size_of_a_folder_means_nothing_but_its_time_does(manifest: Manifest) -> None:
    in_place(manifest, ROOT)
    assert scanned(manifest, [ROOT._replace(size=12288)]) == []
    assert scanned(manifest, [ROOT._replace(mtime_ns=1)]) == [b""]


@pytest.mark.parametrize("outcome", ["failed", "vanished", "postponed"])
def test_what_was_not_carried_is_carried_by_the_next_pass(manifest: Manifest, outcome: str) -> None:
    scanned(manifest, [file(b"a")])
    getattr(manifest, outcome)([(b"a", "why not")])
    assert scanned(manifest, [file(b"a")]) == [b"a"]
    assert manifest.tally().items == {Class.PENDING: 1}


def test_outcomes_move_an_item_from_class_to_class(journal: ApplicationJournal) -> None:
    manifest = journal.manifest("files")
    scanned(manifest, [file(name) for name in (b"a", b"b", b"c", b"d")])
    seqs = [
        copied(manifest, [file(b"a")]),
        manifest.failed([(b"b", "no permission")]),
        manifest.vanished([(b"c", "gone before it was read")]),
        manifest.postponed([(b"d", "still changing")]),
    ]
    assert seqs == sorted(set(seqs)), "each outcome takes a larger number"
    states = [Class.ACKNOWLEDGED, Class.FAILED, Class.VANISHED, Class.PENDING]
    assert manifest.tally().items == dict.fromkeys(states, 1)
    assert manifest.tally() == journal.tally()


def test_hot_tries_are_counted_until_the_copy_succeeds(manifest: Manifest) -> None:
    scanned(manifest, [file(b"a"), file(b"b")])
    for _ in range(3):
        manifest.postponed([(b"a", "hot")])
    assert manifest.tries([b"a", b"b"]) == {b"a": 3, b"b": 0}
    copied(manifest, [file(b"a")])
    assert manifest.tries([b"a"]) == {b"a": 0}


def test_copying_records_what_was_found_not_what_was_listed(manifest: Manifest) -> None:
    scanned(manifest, [file(b"a", size=5)])
    copied(manifest, [file(b"a", size=9, mtime_ns=3)])
    assert scanned(manifest, [file(b"a", size=9, mtime_ns=3)]) == []
    assert scanned(manifest, [file(b"a", size=5)]) == [b"a"]


def test_a_verification_counts_until_the_item_is_copied_again(manifest: Manifest) -> None:
    in_place(manifest, file(b"a"))
    manifest.verified([(b"a", None)], "target bytes read again")
    assert manifest.tally().items == {Class.VERIFIED: 1}
    copied(manifest, [file(b"a", size=6)])
    assert manifest.tally().items == {Class.ACKNOWLEDGED: 1}


def test_a_late_verification_does_not_cover_what_changed_meanwhile(manifest: Manifest) -> None:
    in_place(manifest, file(b"a"))
    scanned(manifest, [file(b"a", size=6)])
    manifest.verified([(b"a", None)], "target bytes read again")
    assert manifest.tally().items == {Class.PENDING: 1}


def test_a_digest_is_filled_in_but_never_replaced(manifest: Manifest) -> None:
    scanned(manifest, [file(b"big"), file(b"small")])
    manifest.copied([Copied(file(b"big"), None, "chunks"), Copied(file(b"small"), b"s" * 32, "stream")])
    manifest.verified([(b"big", b"b" * 32), (b"small", b"x" * 32)], "target bytes read again")
    digests = {each.entry.path: each.sha256 for block in manifest.to_verify(2**62) for each in block}
    assert digests == {b"big": b"b" * 32, b"small": b"s" * 32}


def test_to_verify_goes_on_where_it_stopped(manifest: Manifest) -> None:
    names = [b"%05d" % number for number in range(2500)]
    in_place(manifest, *(file(name) for name in names))
    since = manifest.failed([])
    seen: list[bytes] = []
    for block in manifest.to_verify(since):
        paths = [each.entry.path for each in block]
        manifest.verified([(path, None) for path in paths[:-1]], "target bytes read again")
        manifest.failed([(paths[-1], "differs")])
        seen += paths
    assert seen == names
    left = flat([each.entry for each in block] for block in manifest.to_verify(since))
    assert left == [b"00999", b"01999", b"02499"], "what failed may have been mended"
    manifest.verified([(path, None) for path in left], "target bytes read again")
    assert not list(manifest.to_verify(since))
    assert manifest.tally().items == {Class.VERIFIED: 2500}


def test_a_failure_at_the_source_is_not_mended_by_looking_at_the_target(manifest: Manifest) -> None:
    in_place(manifest, ROOT, directory(b"d"), file(b"f"), file(b"g"))
    scan = manifest.begin_scan()
    scan.note([ROOT, directory(b"d"), file(b"f", size=6), file(b"g")])
    scan.unreadable([Unreadable(b"d", "permission denied")])
    scan.end()
    manifest.failed([(b"f", "no permission")])
    to_verify = flat([each.entry for each in block] for block in manifest.to_verify(2**62))
    assert to_verify == [b"", b"g"]
    manifest.verified([(b"d", None)], "target bytes read again")
    assert manifest.tally().items == {Class.ACKNOWLEDGED: 2, Class.FAILED: 2}


def test_pending_blocks_stay_right_while_outcomes_come_in(manifest: Manifest) -> None:
    names = [b"%05d" % number for number in range(2500)]
    scanned(manifest, [file(name) for name in names])
    seen: list[bytes] = []
    for block in manifest.pending({Kind.FILE}):
        copied(manifest, block[::2])
        manifest.postponed([(entry.path, "hot") for entry in block[1::2]])
        seen += [entry.path for entry in block]
    assert seen == names
    assert manifest.tally().items == {Class.ACKNOWLEDGED: 1250, Class.PENDING: 1250}


def test_folders_are_settled_from_the_deepest_up(manifest: Manifest) -> None:
    scanned(manifest, [ROOT, directory(b"a"), directory(b"a/b"), directory(b"a-b"), file(b"a/b/f")])
    order = flat(manifest.pending_directories())
    assert sorted(order) == [b"", b"a", b"a-b", b"a/b"]
    assert order.index(b"a/b") < order.index(b"a") < order.index(b"")


def test_a_touched_folder_must_be_settled_again(manifest: Manifest) -> None:
    in_place(manifest, ROOT, directory(b"a"), directory(b"b"))
    manifest.verified([(b"a", None)], "listing")
    manifest.touched([b"a", b""])
    assert flat(manifest.pending_directories()) == [b"a", b""]
    assert manifest.tally().items == {Class.PENDING: 2, Class.ACKNOWLEDGED: 1}


class TestDeletionSafety:
    """Only a complete listing may say that something is gone."""

    def test_what_a_complete_pass_misses_is_gone_or_forgotten(self, manifest: Manifest) -> None:
        in_place(manifest, ROOT, directory(b"d"), file(b"d/x"), file(b"kept"))
        scanned(manifest, [ROOT, directory(b"d"), file(b"d/x"), file(b"kept"), file(b"never copied")])
        scanned(manifest, [ROOT, file(b"kept")])
        assert flat(manifest.gone()) == [b"d/x", b"d"]
        assert (manifest.gone_count(), manifest.at_target_count()) == (2, 4)
        assert manifest.tally().seen == 2

    def test_a_pass_that_was_cut_off_makes_nothing_gone(self, manifest: Manifest) -> None:
        in_place(manifest, ROOT, file(b"a"), file(b"b"))
        manifest.begin_scan().note([ROOT])
        assert flat(manifest.gone()) == []
        assert manifest.gone_count() == 0
        assert manifest.tally().seen == 3

    def test_an_unreadable_folder_makes_nothing_gone(self, manifest: Manifest) -> None:
        in_place(manifest, ROOT, directory(b"d"), file(b"d/x"), file(b"e"))
        scan = manifest.begin_scan()
        scan.note([ROOT, directory(b"d")])
        scan.unreadable([Unreadable(b"d", "permission denied")])
        assert not scan.end().is_complete
        assert flat(manifest.gone()) == []
        assert manifest.tally().items == {Class.ACKNOWLEDGED: 3, Class.FAILED: 1}

    def test_what_an_earlier_pass_found_gone_waits_while_the_latest_is_partial(self, manifest: Manifest) -> None:
        in_place(manifest, ROOT, file(b"a"))
        scanned(manifest, [ROOT])
        assert flat(manifest.gone()) == [b"a"]
        scan = manifest.begin_scan()
        scan.note([ROOT])
        assert flat(manifest.gone()) == []
        assert manifest.gone_count() == 0
        scan.end()
        assert flat(manifest.gone()) == [b"a"]

    def test_an_abandoned_pass_does_not_lend_its_listing_to_the_next(self, manifest: Manifest) -> None:
        in_place(manifest, ROOT, file(b"a"), file(b"b"))
        abandoned = manifest.begin_scan()
        abandoned.note([file(b"a")])
        scanned(manifest, [ROOT, file(b"b")])
        assert flat(manifest.gone()) == [b"a"]
        with pytest.raises(AssertionError, match="another scan"):
            abandoned.end()

    def test_what_comes_back_is_carried_again(self, manifest: Manifest) -> None:
        in_place(manifest, ROOT, file(b"a"))
        scanned(manifest, [ROOT])
        assert scanned(manifest, [ROOT, file(b"a")]) == [b"a"]
        assert manifest.gone_count() == 0

    def test_what_was_removed_is_forgotten(self, manifest: Manifest) -> None:
        in_place(manifest, ROOT, file(b"a"), file(b"b"))
        scanned(manifest, [ROOT])
        manifest.removed([b"a"])
        assert flat(manifest.gone()) == [b"b"]
        assert manifest.at_target_count() == 2

    def test_an_item_that_is_there_is_never_forgotten_by_removing(self, manifest: Manifest) -> None:
        in_place(manifest, ROOT, file(b"a"))
        manifest.removed([b"a"])
        assert manifest.tally().seen == 2
        assert manifest.at_target_count() == 2

    def test_one_dataset_never_loses_for_another(self, journal: ApplicationJournal) -> None:
        manifest, other = journal.manifest("files"), journal.manifest("other")
        in_place(manifest, ROOT, file(b"a"))
        in_place(other, ROOT)
        assert manifest.gone_count() == other.gone_count() == 0
        assert flat(other.gone()) == []


class TestKinds:
    """Paths whose kind changed."""

    def test_the_old_kind_is_remembered_until_it_is_replaced(self, manifest: Manifest) -> None:
        in_place(manifest, ROOT, directory(b"x"), file(b"x/a"), file(b"y"))
        scanned(manifest, [ROOT, file(b"x"), directory(b"y"), file(b"y/b")])
        assert flat(manifest.gone()) == [b"x/a"]
        old = [(entry.path, entry.kind) for block in manifest.replaced() for entry in block]
        assert old == [(b"y", Kind.FILE), (b"x", Kind.DIRECTORY)]
        manifest.removed([b"x/a", b"x", b"y"])
        assert not list(manifest.replaced())
        assert flat(manifest.pending(EVERYTHING)) == [b"x", b"y", b"y/b"]
        copied(manifest, [file(b"x"), directory(b"y"), file(b"y/b")])
        assert not list(manifest.replaced())
        assert manifest.at_target_count() == 4

    def test_what_is_gone_is_removed_as_the_kind_that_stands_there(self, manifest: Manifest) -> None:
        in_place(manifest, ROOT, directory(b"x"))
        scanned(manifest, [ROOT, file(b"x")])
        scanned(manifest, [ROOT])
        assert [(entry.path, entry.kind) for block in manifest.gone() for entry in block] == [(b"x", Kind.DIRECTORY)]

    def test_paths_are_compared_as_bytes(self, manifest: Manifest) -> None:
        names = [b"\xff\xfe", b"\xc3\xa9", b"e\xcc\x81", b"a\nb", b"A", b"a", b"%s", b"\xff" * 255]
        in_place(manifest, *(file(name) for name in names))
        assert scanned(manifest, [file(name) for name in names]) == []
        assert flat([each.entry for each in block] for block in manifest.to_verify(0)) == sorted(names)


class TestExcluded:
    """What the plan leaves out is counted, with its reason."""

    def test_it_is_seen_and_never_pending(self, manifest: Manifest) -> None:
        scan = manifest.begin_scan()
        scan.exclude(
            [(file(b"cache"), "excluded by `cache`"), (Entry(b"pipe", Kind.SPECIAL, 0, 0, 0, 0, 0), "special")]
        )
        record = scan.end()
        assert (record.items, record.size_bytes) == (2, 5)
        assert manifest.tally().items == {Class.EXCLUDED: 2}
        assert flat(manifest.pending(EVERYTHING)) == []
        assert not manifest.unproven(0)

    def test_it_is_carried_once_the_plan_lets_it_in(self, manifest: Manifest) -> None:
        manifest.begin_scan().exclude([(file(b"a"), "excluded by `a`")])
        assert scanned(manifest, [file(b"a")]) == [b"a"]

    def test_a_copy_made_before_is_not_deleted(self, manifest: Manifest) -> None:
        in_place(manifest, file(b"a"))
        scan = manifest.begin_scan()
        scan.exclude([(file(b"a"), "excluded by `a`")])
        scan.end()
        assert manifest.gone_count() == 0
        assert manifest.tally().items == {Class.EXCLUDED: 1}


class TestGuard:
    """A guard compares and changes nothing."""

    def guarded(self, manifest: Manifest, entries: Sequence[Entry]) -> tuple[ScanRecord, list[tuple[bytes, str]]]:
        before = manifest.tally(), flat(manifest.pending(EVERYTHING)), flat(manifest.gone()), manifest.last_scan()
        guard = manifest.begin_guard()
        assert guard.note(entries) == []
        record = guard.end()
        assert before == (
            manifest.tally(), flat(manifest.pending(EVERYTHING)), flat(manifest.gone()), manifest.last_scan()
        )  # fmt: skip
        return record, guard.differences()

    def test_nothing_to_tell_when_nothing_moved(self, manifest: Manifest) -> None:
        in_place(manifest, ROOT, file(b"a"))
        record, differences = self.guarded(manifest, [ROOT, file(b"a")])
        assert record.is_complete
        assert differences == []

    def test_every_difference_is_named(self, manifest: Manifest) -> None:
        in_place(manifest, ROOT, file(b"a"), file(b"b"), file(b"lost"))
        _, differences = self.guarded(manifest, [ROOT, file(b"a", size=6), file(b"b"), file(b"more")])
        assert differences == [(b"a", "changed"), (b"lost", "gone"), (b"more", "new")]

    def test_what_had_vanished_and_is_back_is_new(self, manifest: Manifest) -> None:
        scanned(manifest, [ROOT, file(b"a")])
        copied(manifest, [ROOT])
        manifest.vanished([(b"a", "gone before it was read")])
        assert self.guarded(manifest, [ROOT])[1] == []
        assert self.guarded(manifest, [ROOT, file(b"a")])[1] == [(b"a", "new")]

    def test_what_is_left_out_is_no_difference(self, manifest: Manifest) -> None:
        in_place(manifest, ROOT)
        guard = manifest.begin_guard()
        guard.note([ROOT])
        guard.exclude([(file(b"cache"), "excluded")])
        guard.end()
        assert guard.differences() == []
        assert manifest.tally().seen == 1

    def test_unreadable_is_a_difference_and_says_nothing_about_what_is_below(self, manifest: Manifest) -> None:
        in_place(manifest, ROOT, directory(b"d"), file(b"d/x"))
        guard = manifest.begin_guard()
        guard.note([ROOT, directory(b"d")])
        guard.unreadable([Unreadable(b"d", "permission denied")])
        assert not guard.end().is_complete
        assert guard.differences() == [(b"d", "unreadable: permission denied")]

    def test_only_the_first_are_listed(self, manifest: Manifest) -> None:
        in_place(manifest, ROOT)
        guard = manifest.begin_guard()
        guard.note([ROOT, *(file(b"%03d" % number) for number in range(150))])
        guard.end()
        assert len(guard.differences()) == 100
        assert guard.differences(2) == [(b"000", "new"), (b"001", "new")]

    def test_a_delta_says_what_a_pass_would_do(self, manifest: Manifest) -> None:
        in_place(manifest, ROOT, file(b"same"), file(b"changed"), file(b"lost"), file(b"lost before"))
        scanned(manifest, [ROOT, file(b"same"), file(b"changed"), file(b"lost"), file(b"waiting", 3)])
        scanned(manifest, [ROOT, file(b"same"), file(b"changed"), file(b"lost"), file(b"waiting", 3), file(b"brief")])
        guard = manifest.begin_guard()
        guard.note([ROOT, file(b"same"), file(b"changed", 6), file(b"waiting", 3), file(b"new", 7)])
        guard.end()
        assert guard.delta() == (3, 6 + 3 + 7, 2)


class TestProof:
    """The switch guard's question."""

    def test_everything_must_be_verified_after_the_freeze_and_after_its_copy(self, journal: ApplicationJournal) -> None:
        manifest = journal.manifest("files")
        in_place(manifest, ROOT, file(b"a"), file(b"b"))
        paths: list[tuple[bytes, bytes | None]] = [(b"", None), (b"a", None), (b"b", None)]
        manifest.verified(paths, "target bytes read again")
        journal.move(Phase.FROZEN, "for the test")
        freeze_seq = journal.freeze_seq
        assert freeze_seq is not None
        assert {path for path, _ in manifest.unproven(freeze_seq)} == {b"", b"a", b"b"}
        manifest.verified(paths, "target bytes read again")
        assert manifest.unproven(freeze_seq) == []
        copied(manifest, [file(b"a")])
        assert manifest.unproven(freeze_seq) == [(b"a", "copied, not verified since")]
        manifest.failed([(b"b", "differs")])
        assert manifest.unproven(freeze_seq, limit=1) == [(b"a", "copied, not verified since")]
        assert (b"b", "failed: differs") in manifest.unproven(freeze_seq)

    def test_a_touched_folder_is_not_proven(self, manifest: Manifest) -> None:
        in_place(manifest, ROOT)
        manifest.verified([(b"", None)], "listing")
        manifest.touched([b""])
        assert manifest.unproven(0) == [(b"", "pending: its content changed")]

    def test_gone_vanished_and_excluded_items_need_no_proof(self, manifest: Manifest) -> None:
        in_place(manifest, file(b"a"), file(b"b"))
        scan = manifest.begin_scan()
        scan.exclude([(file(b"c"), "excluded")])
        scan.note([file(b"b")])
        scan.end()
        manifest.vanished([(b"b", "gone before it was read")])
        assert manifest.unproven(0) == []


def test_knows_what_is_ours_or_meant_to_be(manifest: Manifest) -> None:
    in_place(manifest, ROOT, file(b"copied"), file(b"gone"))
    scan = manifest.begin_scan()
    scan.note([ROOT, file(b"copied"), file(b"pending"), file(b"failed"), file(b"vanished")])
    scan.exclude([(file(b"excluded"), "excluded")])
    scan.end()
    manifest.failed([(b"failed", "no permission")])
    manifest.vanished([(b"vanished", "gone before it was read")])
    asked = [b"", b"copied", b"gone", b"pending", b"failed", b"vanished", b"excluded", b"stranger"]
    many = [b"many %d" % number for number in range(2000)]
    assert manifest.knows([*many, *asked]) == {b"", b"copied", b"gone", b"pending", b"failed"}
    strangers = manifest.look_at_target().note([file(path) for path in (*many, *asked)])
    assert set(strangers) == {*many, b"vanished", b"excluded", b"stranger"}


def test_folders_and_links_are_compared_with_what_the_last_look_saw(journal: ApplicationJournal) -> None:
    manifest, other = journal.manifest("files"), journal.manifest("other")
    in_place(manifest, ROOT, directory(b"d"), link(b"l"), file(b"f"), link(b"done"))
    in_place(other, ROOT, directory(b"d"))
    manifest.verified([(b"done", None)], "target bytes read again")
    manifest.look_at_target().note([link(b"l", b"as it was before")])
    look, beside = manifest.look_at_target(), other.look_at_target()
    beside.note([directory(b"d", 7)])
    look.note([ROOT, file(b"f"), file(b"d")])
    look.note([link(b"l"), directory(b"only there"), link(b"done")])

    def pairs(of: TargetLook, since_seq: int = 0) -> list[tuple[bytes, Entry | None]]:
        return [(pair.entry.path, pair.found) for block in of.to_compare(since_seq) for pair in block]

    assert pairs(look) == [(b"", ROOT._replace(size=0)), (b"d", None), (b"l", link(b"l"))]
    assert pairs(beside) == [(b"", None), (b"d", directory(b"d", 7)._replace(size=0))]
    assert [path for path, _ in pairs(look, 2**62)] == [b"", b"d", b"done", b"l"]
    look.forget()
    assert {found for _, found in pairs(look)} == {None}


def test_the_list_of_strangers_is_replaced(journal: ApplicationJournal) -> None:
    manifest = journal.manifest("files")
    manifest.foreign([b"x", b"y"])
    assert manifest.tally().foreign == 2
    manifest.foreign([b"y"])
    journal.manifest("other").foreign([b"x"])
    assert manifest.tally().foreign == 1
    assert journal.tally().foreign == 2


def test_an_empty_call_changes_nothing(manifest: Manifest) -> None:
    scan = manifest.begin_scan()
    assert scan.note([]) == []
    scan.exclude([])
    scan.unreadable([])
    assert scan.end().is_complete
    manifest.copied([])
    manifest.verified([], "nothing")
    manifest.foreign([])
    manifest.removed([])
    manifest.touched([])
    assert manifest.look_at_target().note([]) == []
    assert manifest.tally().seen == 0


def test_a_scan_is_recorded_with_what_came_before_it(manifest: Manifest) -> None:
    assert manifest.last_scan() is None
    scan = manifest.begin_scan()
    scan.note([ROOT, file(b"a")])
    before_end = manifest.failed([])
    record = scan.end()
    assert manifest.last_scan() == record
    assert record.begun_seq < before_end < record.seq
    assert (record.items, record.size_bytes, record.is_complete) == (2, 5, True)
    with pytest.raises(AssertionError, match="has ended"):
        scan.note([ROOT])


def test_a_dataset_that_moves_differently_is_carried_again(manifest: Manifest) -> None:
    in_place(manifest, ROOT, file(b"a"))
    manifest.verified([(b"a", None)], "target bytes read again")
    manifest.distrust()
    assert manifest.tally().items == {Class.PENDING: 2}
    assert manifest.at_target_count() == 2
    manifest.foreign([b"x"])
    manifest.forget()
    assert manifest.tally().seen == manifest.tally().foreign == manifest.at_target_count() == 0
