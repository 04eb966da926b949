"""Listing over SFTP: servers that leave things out, refuse handles, lie, or never come to an end."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from migrator.domain.entries import Entry, Kind, Unreadable
from migrator.endpoints.contract import SourceTree
from migrator.endpoints.sftp import wire
from migrator.endpoints.sftp.scan import TreeScan
from migrator.errors import EndpointUnavailable, SafetyStop
from tests.support.sftp_pipe import piped_endpoint, piped_session
from tests.support.sftp_relay import FewHandles, Tampering, packet, relayed_endpoint, relayed_session, status, string
from tests.support.trees import build_nasty, write_file


def listed(tree: SourceTree) -> list[Entry | Unreadable]:
    return [each for block in tree.scan() for each in block]


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    root = os.fsencode(tmp_path / "root")
    os.mkdir(root)
    return root


@pytest.fixture
def truth(root: bytes) -> dict[bytes, Entry | Unreadable]:
    """What the untampered server lists of a nasty tree."""
    build_nasty(root)
    with piped_endpoint() as endpoint:
        return {each.path: each for each in listed(endpoint.source(root))}


def names(*entries: bytes) -> bytes:
    """The body of a NAME answer about regular files."""
    attributes = struct.pack(">IQIIIII", 0x0F, 1, 0, 0, stat.S_IFREG | 0o644, 1, 1)
    return struct.pack(">I", len(entries)) + b"".join(string(name) + string(b"") + attributes for name in entries)


class Forgetful(Tampering):
    """Tells nothing but names in its listings."""

    def on_answer(self, kind: int, request: int, body: bytes) -> bytes:
        if kind == wire.NAME and body[:4] != b"\0\0\0\1":  # one name alone answers REALPATH and READLINK
            found = list(wire.take_names(memoryview(body)))
            body = struct.pack(">I", len(found)) + b"".join(string(name) + bytes(8) for name, _ in found)
        return packet(kind, request, body)


def test_what_a_listing_leaves_out_is_asked_for(root: bytes, truth: dict[bytes, Entry | Unreadable]) -> None:
    tampering = Forgetful()
    with relayed_endpoint(tampering) as endpoint:
        assert {each.path: each for each in listed(endpoint.source(root))} == truth
    assert sum(kind == wire.LSTAT for kind, _ in tampering.requests) > len(truth) - 10


class Timeless(Tampering):
    """Tells no times anywhere."""

    def on_answer(self, kind: int, request: int, body: bytes) -> bytes:
        if kind == wire.NAME and body[:4] != b"\0\0\0\1":
            found = list(wire.take_names(memoryview(body)))
            body = struct.pack(">I", len(found)) + b"".join(string(name) + bytes(8) for name, _ in found)
        if kind == wire.ATTRS and self._is_below_the_root():
            body = struct.pack(">IQI", 0x05, 1, stat.S_IFREG | 0o644)
        return packet(kind, request, body)

    def _is_below_the_root(self) -> bool:
        return any(kind == wire.READDIR for kind, _ in self.requests)


def test_an_entry_without_a_time_is_unknown(root: bytes) -> None:
    write_file(root + b"/file")
    write_file(root + b"/other")
    with relayed_endpoint(Timeless()) as endpoint:
        found = listed(endpoint.source(root))
    assert isinstance(found[0], Entry)
    assert {each.path for each in found[1:] if isinstance(each, Unreadable)} == {b"file", b"other"}


class Listing(Tampering):
    """Answers READDIR with bodies of the test's choice, then with the end."""

    def __init__(self, bodies: Iterator[bytes]) -> None:
        super().__init__()
        self._bodies = bodies

    def on_request(self, kind: int, request: int, body: bytes) -> tuple[int, bytes] | bytes:
        if kind != wire.READDIR:
            return kind, body
        listing = next(self._bodies, None)
        return status(request, wire.EOF) if listing is None else packet(wire.NAME, request, listing)


@pytest.mark.parametrize(
    "bodies",
    [
        pytest.param([names(b"a/b")], id="slash"),
        pytest.param([names(b"/etc/passwd")], id="absolute"),
        pytest.param([names(b"../../outside")], id="upwards"),
        pytest.param([names(b"")], id="empty"),
        pytest.param([names(b"a\0b")], id="nul"),
        pytest.param([names(b"twice", b"twice")], id="twice in one packet"),
        pytest.param([names(b"twice", b"a"), names(b"b"), names(b"twice")], id="twice in two packets"),
        pytest.param([struct.pack(">I", 2) + names(b"one")[4:]], id="fewer names than announced"),
    ],
)
def test_a_hostile_listing_is_a_stop(root: bytes, bodies: list[bytes]) -> None:
    with relayed_endpoint(Listing(iter(bodies))) as endpoint:
        with pytest.raises(SafetyStop) as caught:
            listed(endpoint.source(root))
        assert caught.value.hint


def test_dots_are_dropped_and_lookalikes_are_not(root: bytes) -> None:
    with relayed_endpoint(Listing(iter([names(b".", b"..", b"...", b".. ")]))) as endpoint:
        assert [each.path for each in listed(endpoint.source(root))] == [b"", b"...", b".. "]


def endless_names() -> Iterator[bytes]:
    number = 0
    while True:
        yield names(*(b"%d" % (number + each) for each in range(100)))
        number += 100


def endless_nothing(body: bytes) -> Iterator[bytes]:
    while True:
        yield body


@pytest.mark.parametrize(
    "bodies",
    [
        pytest.param(endless_names, id="new names"),
        pytest.param(lambda: endless_nothing(names(b".", b"..")), id="dots"),
        pytest.param(lambda: endless_nothing(names()), id="empty answers"),
    ],
)
def test_an_endless_listing_is_a_stop(root: bytes, bodies: Callable[[], Iterator[bytes]]) -> None:
    entry = Entry(b"", Kind.DIRECTORY, 0, 0, 0o755, 0, 0)
    with relayed_session(Listing(bodies())) as session, pytest.raises(SafetyStop, match="without end"):
        for _ in TreeScan(session, root, entry, most_names=5000).blocks():
            pass


@pytest.mark.parametrize("most", [1, 3])
def test_a_server_that_allows_few_handles_is_listed_whole(
    root: bytes, truth: dict[bytes, Entry | Unreadable], most: int
) -> None:
    tampering = FewHandles(most)
    with relayed_endpoint(tampering) as endpoint:
        assert {each.path: each for each in listed(endpoint.source(root))} == truth
    assert 0 < tampering.refusals < 140, "the limit is learned, not run into again and again"


class Failing(Tampering):
    """Fails every OPENDIR but the first, for reasons of its own."""

    def on_request(self, kind: int, request: int, body: bytes) -> tuple[int, bytes] | bytes:
        is_first = sum(kind == wire.OPENDIR for kind, _ in self.requests) < 2
        if kind == wire.OPENDIR and not is_first:
            return status(request, wire.FAILURE, b"disk on fire \x1b[31m")
        return kind, body


def test_folders_that_fail_for_good_are_unknown(root: bytes) -> None:
    for number in range(30):
        os.mkdir(root + b"/%d" % number)
    with relayed_endpoint(Failing()) as endpoint:
        found = listed(endpoint.source(root))
    unreadable = [each for each in found if isinstance(each, Unreadable)]
    assert {each.path for each in unreadable} == {b"%d" % number for number in range(30)}
    assert all("disk on fire \\x1b" in each.reason for each in unreadable)
    assert len(found) == 61, "each folder's entry too"


class Broken(Tampering):
    """Breaks off the listing of the root."""

    def on_request(self, kind: int, request: int, body: bytes) -> tuple[int, bytes] | bytes:
        return status(request, wire.PERMISSION_DENIED) if kind == wire.READDIR else (kind, body)


def test_a_root_that_cannot_be_listed_to_its_end_is_unavailable(root: bytes) -> None:
    with relayed_endpoint(Broken()) as endpoint, pytest.raises(EndpointUnavailable, match="permission denied"):
        listed(endpoint.source(root))


def test_a_scan_that_is_given_up_leaves_no_handle_open(root: bytes) -> None:
    for number in range(1100):
        os.mkdir(root + b"/%d" % number)
    entry = Entry(b"", Kind.DIRECTORY, 0, 0, 0o755, 0, 0)
    with piped_session() as session:
        blocks = TreeScan(session, root, entry).blocks()
        assert isinstance(blocks, Generator)
        next(blocks)
        assert session.handles.open > 0
        blocks.close()
        session.until(lambda: session.in_flight == 0)
        assert session.handles.open == 0


def test_two_scans_and_looks_share_one_session(root: bytes, truth: dict[bytes, Entry | Unreadable]) -> None:
    with piped_endpoint() as endpoint:
        tree = endpoint.source(root)
        first, second = tree.scan(), tree.scan()
        one: list[Entry | Unreadable] = []
        for block in first:
            one += block
            assert tree.stat(b"sizes/1") == truth[b"sizes/1"]
        assert {each.path: each for each in one} == truth
        assert {each.path: each for block in second for each in block} == truth
