"""Landing: from pieces to commit groups. The writer here refuses what the contract does not allow."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

import pytest

from migrator.domain.entries import Entry, Kind
from migrator.endpoints.contract import Landed, Piece, Problem
from migrator.transfer.landing import GROUP_BYTES, GROUP_ITEMS, Carried, Landing, Stayed


class StrictWriter:
    """A Writer that remembers what is in place, and where one file may be open at a time."""

    def __init__(self) -> None:
        self.in_place: list[bytes] = []
        self.commits: list[int] = []
        self.refuses: dict[bytes, str] = {}
        self._open: Entry | None = None
        self._bytes = 0
        self._waiting: list[bytes] = []

    @property
    def is_open(self) -> bool:
        return self._open is not None

    def begin(self, entry: Entry) -> None:
        assert self._open is None
        self._open, self._bytes = entry, 0

    def write(self, data: bytes) -> None:
        assert self._open is not None, "written to no file"
        self._bytes += len(data)

    def finish(self, entry: Entry) -> None:
        assert self._open is not None
        assert self._open.path == entry.path
        assert self._bytes == entry.size
        self._open = None
        self._waiting.append(entry.path)

    def abandon(self) -> None:
        assert self._open is not None
        self._open = None

    def link(self, entry: Entry) -> None:
        assert self._open is None
        self._waiting.append(entry.path)

    def hard_link(self, entry: Entry, to: bytes) -> None:
        assert self._open is None
        assert to in self.in_place, "what is linked to was committed before"
        self._waiting.append(entry.path)

    def commit(self) -> list[Landed]:
        assert self._open is None, "a commit would throw the open file away"
        group, self._waiting = self._waiting, []
        self.commits.append(len(group))
        self.in_place += [path for path in group if path not in self.refuses]
        return [Landed(path, self.refuses.get(path)) for path in group]

    def settle(self, directories: Sequence[Entry]) -> list[Landed]:
        raise AssertionError(directories)

    def remove(self, entries: Sequence[Entry]) -> list[Landed]:
        raise AssertionError(entries)

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def writer() -> StrictWriter:
    return StrictWriter()


@pytest.fixture
def landing(writer: StrictWriter) -> Landing:
    return Landing(writer)


def file(path: bytes, size: int = 3) -> Entry:
    return Entry(path, Kind.FILE, size, 0, 0o644, 0, 0)


def land(landing: Landing, path: bytes, data: bytes = b"abc") -> None:
    entry = file(path, len(data))
    landing.piece(Piece(entry, data, entry))


def test_nothing_is_told_before_it_is_in_place(landing: Landing, writer: StrictWriter) -> None:
    land(landing, b"a")
    assert writer.in_place == []
    group = landing.commit()
    assert writer.in_place == [b"a"]
    assert group.carried == (Carried(file(b"a"), hashlib.sha256(b"abc").digest()),)
    assert group.stayed == ()
    assert landing.commit() == ((), ()), "a group is told once"


def test_the_digest_is_that_of_all_pieces_of_one_file(landing: Landing) -> None:
    for path in (b"a", b"b"):  # the second file must not begin with the first one's digest
        landing.piece(Piece(file(path), b"abc"))
        landing.piece(Piece(file(path), b"def"))
        landing.piece(Piece(file(path), b"", file(path, 6)))
    digest = hashlib.sha256(b"abcdef").digest()
    assert landing.commit().carried == (Carried(file(b"a", 6), digest), Carried(file(b"b", 6), digest))


def test_an_empty_file_is_a_file(landing: Landing) -> None:
    land(landing, b"empty", b"")
    assert landing.commit().carried[0].sha256 == hashlib.sha256(b"").digest()


@pytest.mark.parametrize("problem", Problem)
@pytest.mark.parametrize("before", [0, 1, 2])
def test_a_file_with_a_problem_leaves_nothing_behind(
    landing: Landing, writer: StrictWriter, problem: Problem, before: int
) -> None:
    for _ in range(before):
        landing.piece(Piece(file(b"bad"), b"abc"))
    landing.piece(Piece(file(b"bad"), b"the last bytes", problem=problem, reason="because"))
    assert not writer.is_open
    land(landing, b"good")
    group = landing.commit()
    assert group.stayed == (Stayed(b"bad", problem, "because"),)
    assert group.carried == (Carried(file(b"good"), hashlib.sha256(b"abc").digest()),)
    assert writer.in_place == [b"good"]


def test_what_did_not_land_is_told_as_failed_with_the_writer_s_reason(landing: Landing, writer: StrictWriter) -> None:
    writer.refuses[b"b"] = "Permission denied"
    for path in (b"a", b"b"):
        land(landing, path)
    group = landing.commit()
    assert [item.entry.path for item in group.carried] == [b"a"]
    assert group.stayed == (Stayed(b"b", Problem.FAILED, "Permission denied"),)


def test_a_group_is_full_at_its_number_of_items(landing: Landing) -> None:
    for number in range(GROUP_ITEMS):
        assert not landing.is_full(1)
        land(landing, b"%d" % number)
    assert landing.is_full(1)
    landing.commit()
    assert not landing.is_full(1)


def test_links_count_as_items(landing: Landing) -> None:
    for number in range(GROUP_ITEMS):
        assert not landing.is_full(0)
        landing.link(Entry(b"%d" % number, Kind.LINK, 0, 0, 0o777, 0, 0, b"to"))
    assert landing.is_full(0)
    assert len(landing.commit().carried) == GROUP_ITEMS


def test_problems_are_told_before_there_are_too_many(landing: Landing) -> None:
    for number in range(GROUP_ITEMS):
        assert not landing.is_full(0)
        landing.stay(file(b"%d" % number), Problem.FAILED, "because")
    assert landing.is_full(0)


def test_a_group_is_full_before_a_file_that_would_take_it_over_its_bytes(landing: Landing) -> None:
    land(landing, b"a", bytes(GROUP_BYTES - 10))
    assert not landing.is_full(10)
    assert landing.is_full(11)


def test_a_huge_file_is_a_group_of_its_own(landing: Landing) -> None:
    assert not landing.is_full(10 * GROUP_BYTES), "there is nothing to commit yet"
    landing.piece(Piece(file(b"huge", 2 * GROUP_BYTES), bytes(GROUP_BYTES)))
    assert not landing.is_full(0), "a file under way cannot be cut in two"
    landing.piece(Piece(file(b"huge"), bytes(GROUP_BYTES), file(b"huge", 2 * GROUP_BYTES)))
    assert landing.is_full(0)


def test_a_group_is_full_after_a_second(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    landing.commit()
    land(landing, b"a")
    now = 100.9
    assert not landing.is_full(0)
    now = 101.1
    assert landing.is_full(0)


def test_a_file_that_is_dropped_is_in_no_class(landing: Landing, writer: StrictWriter) -> None:
    landing.piece(Piece(file(b"a"), b"abc"))
    landing.abandon()
    assert not writer.is_open
    assert landing.commit() == ((), ())
    landing.abandon()  # nothing is open: nothing to drop
