"""Seals, proofs and numbers: what somebody else has written into an application's record is never taken for ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from migrator.domain.phases import Phase
from migrator.journal.application import ApplicationJournal
from migrator.journal.folder import StateFolder
from migrator.journal.manifest import Copied, Manifest, Standing
from tests.support.journals import directory, file, state

DIGEST = b"d" * 32
CTIME = 1_500_000_001_000_000_000
HOW = ", before the freeze: unchanged"


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return state(tmp_path)


@pytest.fixture
def journal(folder: StateFolder) -> Iterator[ApplicationJournal]:
    with ApplicationJournal.open(folder, "portail") as opened:
        yield opened


@pytest.fixture
def manifest(journal: ApplicationJournal) -> Manifest:
    return journal.manifest("files")


def edit(folder: StateFolder, statement: str) -> None:
    with closing(sqlite3.connect(folder.database("portail"))) as raw:
        assert raw.execute(statement).rowcount > 0
        raw.commit()


def copy_and_verify(manifest: Manifest, *names: bytes) -> int:
    manifest.copied([Copied(file(name, ctime_ns=CTIME), DIGEST, "stream") for name in names])
    stood = {name: Standing(CTIME + 5, 77) for name in names}
    return manifest.verified([(name, DIGEST) for name in names], "read again", stood)


@pytest.mark.parametrize(
    "change",
    [
        "verified_seq = verified_seq + 1",
        "verified_by = 'somebody'",
        "sha256 = x'00'",
        "size = size + 1",
        "mtime_ns = mtime_ns + 1",
        "ctime_ns = NULL",
        "mode = 511",
        "copied_seq = copied_seq - 1",
        "target_ctime_ns = target_ctime_ns + 1",
        "path = x'62'",
        "seal = NULL",
        "seal = randomblob(16)",
    ],
)
def test_an_item_that_was_edited_is_not_proven_and_is_read_again(
    change: str, folder: StateFolder, manifest: Manifest
) -> None:
    copy_and_verify(manifest, b"a")
    assert manifest.unproven(0) == []
    assert list(manifest.to_verify(0)) == []
    edit(folder, f"UPDATE item SET {change}")
    ((_, why),) = manifest.unproven(0)
    assert "not what was written" in why
    (block,) = manifest.to_verify(0)
    assert len(block) == 1


def test_a_digest_that_was_written_in_later_is_not_compared_with(folder: StateFolder, manifest: Manifest) -> None:
    manifest.copied([Copied(file(b"a"), DIGEST, "stream")])
    assert [each.sha256 for block in manifest.to_verify(0) for each in block] == [DIGEST]
    edit(folder, "UPDATE item SET sha256 = x'00'")
    assert [each.sha256 for block in manifest.to_verify(0) for each in block] == [None]


def test_a_digest_that_a_verification_filled_in_counts(manifest: Manifest) -> None:
    manifest.copied([Copied(file(b"a"), None, "chunks")])
    seq = manifest.verified([(b"a", DIGEST)], "read again")
    assert [each.sha256 for block in manifest.to_verify(seq) for each in block] == [DIGEST]


def test_a_chunk_that_was_edited_is_as_good_as_none(folder: StateFolder, manifest: Manifest) -> None:
    manifest.large.begin(file(b"a"), b".temp")
    manifest.large.add(b"a", [(0, DIGEST), (1, DIGEST)])
    edit(folder, "UPDATE chunk SET digest = x'00' WHERE number = 1")
    assert manifest.large.chunks(b"a") == {0: DIGEST}
    manifest.large.share(b"a", [b"b"])
    assert manifest.large.chunks(b"b") == {0: DIGEST}


def test_an_earlier_verification_counts_again_only_where_nothing_moved(manifest: Manifest) -> None:
    names = [b"ctime", b"inode", b"same", b"size"]
    seq = copy_and_verify(manifest, *names, b"gone")
    look = {name: file(name, ctime_ns=CTIME + 5)._replace(inode=77) for name in names}
    look[b"ctime"] = look[b"ctime"]._replace(ctime_ns=CTIME + 6)
    look[b"inode"] = look[b"inode"]._replace(inode=78)
    look[b"size"] = look[b"size"]._replace(size=6)
    new_seq, trusted = manifest.trusted(list(look.values()), seq, HOW)
    assert [entry.path for entry in trusted] == [b"same"]
    assert new_seq > seq
    assert [path for path, _ in manifest.unproven(seq)] == [b"ctime", b"gone", b"inode", b"size"]


def test_what_was_verified_later_or_never_seen_is_not_trusted(manifest: Manifest) -> None:
    seq = copy_and_verify(manifest, b"later")
    manifest.copied([Copied(file(b"blind", ctime_ns=CTIME), DIGEST, "stream")])
    blind = manifest.verified([(b"blind", DIGEST)], "read again")
    looks = [file(name, ctime_ns=CTIME + 5)._replace(inode=77) for name in (b"blind", b"later")]
    assert manifest.trusted(looks, seq - 1, HOW)[1] == []
    assert [entry.path for entry in manifest.trusted(looks, blind, HOW)[1]] == [b"later"]


def frozen_and_listed(journal: ApplicationJournal) -> int:
    journal.move(Phase.FROZEN, "for the test")
    scan = journal.manifest("files").begin_scan()
    scan.note([directory(b"")])
    scan.end()
    freeze_seq = journal.freeze_seq
    assert freeze_seq is not None
    return freeze_seq


def test_a_proof_stands_between_two_scans_of_one_freeze(journal: ApplicationJournal) -> None:
    freeze_seq = frozen_and_listed(journal)
    number = journal.begin_proof("files", "so it goes", "stat")
    proof = journal.proof("files")
    assert proof is not None
    assert (proof.freeze_seq, proof.moved_as, proof.scan_after) == (freeze_seq, "so it goes", None)
    guard = journal.manifest("files").begin_guard()
    guard.note([directory(b"")])
    guard.end()
    journal.end_proof(number)
    proof = journal.proof("files")
    assert proof is not None
    assert proof.scan_after is not None
    assert proof.scan_before < proof.scan_after
    assert journal.faults() == []


def test_without_a_complete_scan_under_the_freeze_there_is_no_proof(journal: ApplicationJournal) -> None:
    assert journal.begin_proof("files", "so it goes", "stat") == 0
    frozen_and_listed(journal)
    journal.move(Phase.FROZEN, "frozen anew: the scan lies before it")
    assert journal.begin_proof("files", "so it goes", "stat") == 0
    assert journal.proof("files") is None


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE counter SET seq = 1", "was given out"),
        ("UPDATE item SET verified_seq = 99999", "99999 was given out"),
        ("UPDATE standing SET phase = 'verified'", "standing 1 is not what the chain recorded"),
        ("DELETE FROM proof", "missing from its table"),
        ("UPDATE scan SET is_complete = 0", "scan"),
    ],
)
def test_what_does_not_fit_is_told(statement: str, said: str, folder: StateFolder, journal: ApplicationJournal) -> None:
    frozen_and_listed(journal)
    copy_and_verify(journal.manifest("files"), b"a")
    journal.begin_proof("files", "so it goes", "stat")
    assert journal.faults() == []
    edit(folder, statement)
    assert said in "; ".join(journal.faults())


def test_a_counter_that_was_set_back_and_has_caught_up_again_is_told(
    folder: StateFolder, journal: ApplicationJournal
) -> None:
    """What was verified long ago would look newer than the freeze."""
    for _ in range(3):
        frozen_and_listed(journal)
    before = journal.current_seq()
    edit(folder, "UPDATE counter SET seq = 1")
    while journal.current_seq() <= before:
        frozen_and_listed(journal)
    assert any("begins with a number that an earlier one had" in fault for fault in journal.faults())
