"""What a mover does with a batch: the order of things, and where a stop finds its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from migrator.domain.entries import Entry, Kind
from migrator.domain.plan import EndpointSpec, Location
from migrator.endpoints.contract import Piece, Problem
from migrator.endpoints.opening import open_endpoint
from migrator.movers.hands import Hands
from migrator.movers.way import Way
from migrator.transfer import carrying
from migrator.transfer.carrying import Batch, Moved, carry
from migrator.transfer.landing import GROUP_ITEMS, Group

KEY = b"k" * 32


class Stream:
    """A source whose pieces come from a generator, so that a test decides what happens in between."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self._pieces = pieces
        self.asked: list[bytes] = []

    def read(self, wanted: Iterable[Entry]) -> Iterator[Piece]:
        for entry in wanted:
            self.asked.append(entry.path)
            yield from (piece for piece in self._pieces if piece.entry.path == entry.path)


class Scripted(Stream):
    """A source that goes through its pieces whatever is asked for."""

    def read(self, wanted: Iterable[Entry]) -> Iterator[Piece]:
        asked = iter(wanted)
        for piece in self._pieces:
            next(asked, None)
            yield piece


class Told:
    """Hands with a scripted source and a real target; they are asked to stop when a test says so."""

    def __init__(self, source: Stream, target: Path) -> None:
        self._source = source
        self._endpoint = open_endpoint(EndpointSpec("here"), {})
        self._root = bytes(target)
        self.should_stop = False
        self.reports: list[Any] = []

    def source(self, location: Location) -> Stream:
        del location
        return self._source

    def target(self, location: Location, temp_key: bytes) -> Any:
        del location
        return self._endpoint.target(self._root, temp_key)

    def report(self, content: Any) -> None:
        self.reports.append(content)

    def groups(self) -> list[Group]:
        return [report for report in self.reports if isinstance(report, Group)]


def file(path: bytes, size: int = 3) -> Entry:
    return Entry(path, Kind.FILE, size, 0, 0o644, 0, 0)


def link(path: bytes, to: bytes | None = b"to") -> Entry:
    return Entry(path, Kind.LINK, 0, 0, 0o777, 0, 0, to)


def whole(path: bytes) -> Piece:
    return Piece(file(path), b"abc", file(path))


def carried(told: Told, entries: list[Entry]) -> None:
    place = Location("here", b"/")
    carry(cast("Hands", told), Batch(Way(place, place, KEY, frozenset()), entries))


def test_each_group_is_told_once_and_only_what_is_in_place(tmp_path: Path) -> None:
    count = 2 * GROUP_ITEMS + 10
    names = [b"%04d" % number for number in range(count)]
    told = Told(Stream([whole(name) for name in names]), tmp_path)
    seen_at_report: list[int] = []
    remember = told.report

    def report(content: Any) -> None:
        if isinstance(content, Group):
            assert all((tmp_path / item.entry.path.decode()).exists() for item in content.carried)
            seen_at_report.append(len(content.carried))
        remember(content)

    told.report = report  # type: ignore[method-assign]
    carried(told, [file(name) for name in names])
    assert all(1 <= size <= GROUP_ITEMS for size in seen_at_report)
    paths = [item.entry.path for group in told.groups() for item in group.carried]
    assert paths == names
    assert sum(report.size_bytes for report in told.reports if isinstance(report, Moved)) == 3 * count


def test_a_stop_lets_a_huge_file_go_and_keeps_what_was_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "_PROGRESS_SECONDS", -1.0)  # progress at every piece

    def pieces() -> Iterator[Piece]:
        yield whole(b"small")
        for number in range(1000):
            told.should_stop = number >= 3
            assert number < 10, "it went on reading"
            yield Piece(file(b"huge", 10**9), b"x" * 1000)

    told = Told(Scripted(pieces()), tmp_path)
    carried(told, [file(b"small"), file(b"huge", 10**9)])
    assert [path.name for path in tmp_path.iterdir()] == ["small"]
    (group,) = [group for group in told.groups() if group.carried]
    assert [item.entry.path for item in group.carried] == [b"small"]
    assert group.stayed == (), "the huge file stays pending: it is nobody's fault"


def test_after_a_stop_no_further_file_is_asked_for(tmp_path: Path) -> None:
    source = Stream([whole(b"a"), whole(b"b")])
    told = Told(source, tmp_path)
    told.should_stop = True
    carried(told, [file(b"a"), file(b"b")])
    assert source.asked == []


def test_links_need_no_reading_and_one_without_text_is_a_failure(tmp_path: Path) -> None:
    told = Told(Stream([whole(b"a")]), tmp_path)
    carried(told, [link(b"odd", None), link(b"good"), file(b"a")])
    assert (tmp_path / "good").readlink() == Path("to")
    stayed = [item for group in told.groups() for item in group.stayed]
    assert [(item.path, item.problem) for item in stayed] == [(b"odd", Problem.FAILED)]


def test_when_the_source_breaks_nothing_of_the_open_group_is_left(tmp_path: Path) -> None:
    def pieces() -> Iterator[Piece]:
        yield whole(b"a")
        raise ConnectionResetError("gone")

    told = Told(Scripted(pieces()), tmp_path)
    with pytest.raises(ConnectionResetError):
        carried(told, [file(b"a"), file(b"b")])
    assert list(tmp_path.iterdir()) == [], "uncommitted files are removed, and nothing of them was told"
    assert told.groups() == []
