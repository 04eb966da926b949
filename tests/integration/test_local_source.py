"""What reading on this machine promises beyond the contract of all trees."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from migrator.domain.entries import Entry, Unreadable
from migrator.endpoints.agent.here import HereAccess
from migrator.endpoints.agent.source import AgentSource
from migrator.endpoints.contract import Piece, Problem
from migrator.errors import EndpointUnavailable, Incomplete
from tests.support.accounts import open_folder, without_rights
from tests.support.trees import build_deep, remove_tree, write_file


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    (tmp_path / "root").mkdir()
    return os.fsencode(tmp_path / "root")


@pytest.fixture
def shared() -> Iterator[bytes]:
    with open_folder() as folder:
        yield folder


def entry_at(root: bytes, path: bytes) -> Entry:
    entry = AgentSource(HereAccess(), root).stat(path)
    assert entry is not None
    return entry


def last_piece(pieces: Iterator[Piece]) -> Piece:
    *_, last = pieces
    return last


class TestScan:
    def test_what_cannot_be_listed_is_unknown_and_not_empty(self, shared: bytes) -> None:
        for folder, mode in ((b"closed", 0o000), (b"names only", 0o444), (b"no listing", 0o311), (b"open", 0o755)):
            write_file(shared + b"/" + folder + b"/file")
            os.chmod(shared + b"/" + folder, mode)
        with without_rights():
            found = [each for block in AgentSource(HereAccess(), shared).scan() for each in block]
        unreadable = {each.path: each.reason for each in found if isinstance(each, Unreadable)}
        entries = [each.path for each in found if isinstance(each, Entry)]
        assert unreadable.keys() == {b"closed", b"names only", b"no listing"}
        assert set(unreadable.values()) == {"Permission denied"}
        assert sorted(entries) == [b"", b"closed", b"names only", b"no listing", b"open", b"open/file"]
        for path in unreadable:
            assert found.index(Unreadable(path, "Permission denied")) > entries.index(path)

    def test_a_root_that_cannot_be_listed_is_unavailable(self, shared: bytes) -> None:
        os.mkdir(shared + b"/root", 0o311)
        with without_rights(), pytest.raises(EndpointUnavailable, match="Permission denied"):
            list(AgentSource(HereAccess(), shared + b"/root").scan())

    def test_an_entry_that_cannot_be_looked_at_is_not_taken_for_missing(self, shared: bytes) -> None:
        write_file(shared + b"/closed/file")
        os.chmod(shared + b"/closed", 0o000)
        with without_rights(), pytest.raises(Incomplete, match="Permission denied"):
            AgentSource(HereAccess(), shared).stat(b"closed/file")

    def test_few_descriptors_serve_the_deepest_tree(self, root: bytes) -> None:
        build_deep(root)
        try:
            before = len(os.listdir("/proc/self/fd"))
            most = 0
            for block in AgentSource(HereAccess(), root).scan():
                assert block
                most = max(most, len(os.listdir("/proc/self/fd")))
            assert most <= before + 4
        finally:
            remove_tree(root)

    def test_nothing_stays_open_when_a_scan_is_given_up(self, root: bytes) -> None:
        for number in range(2500):
            os.close(os.open(root + b"/%d" % number, os.O_CREAT))
        before = len(os.listdir("/proc/self/fd"))
        scan = AgentSource(HereAccess(), root).scan()
        next(iter(scan))
        del scan
        assert len(os.listdir("/proc/self/fd")) == before

    def test_the_kernel_s_own_facts_are_told(self, root: bytes) -> None:
        write_file(root + b"/file")
        os.link(root + b"/file", root + b"/other")
        found = os.stat(root + b"/file")
        entry = entry_at(root, b"file")
        assert (entry.inode, entry.links, entry.ctime_ns) == (found.st_ino, 2, found.st_ctime_ns)

    def test_a_root_that_was_replaced_is_scanned_as_it_is_now(self, root: bytes) -> None:
        source = AgentSource(HereAccess(), root)
        write_file(root + b"/old")
        assert len(next(iter(source.scan()))) == 2
        os.rename(root, root + b".old")
        os.mkdir(root)
        assert len(next(iter(source.scan()))) == 1


class TestRead:
    @pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
    def test_what_took_the_place_of_a_file_is_not_waited_for(self, root: bytes, make: Callable[[bytes], None]) -> None:
        write_file(root + b"/file")
        entry = entry_at(root, b"file")
        os.unlink(root + b"/file")
        make(root + b"/file")
        (piece,) = AgentSource(HereAccess(), root, drops_cache=True).read([entry])
        assert piece.problem is Problem.CHANGED

    @pytest.mark.parametrize("change", ["append", "rewrite", "replace", "remove", "chmod"])
    def test_a_change_under_the_reader_is_told(self, root: bytes, change: str) -> None:
        write_file(root + b"/file", b"x" * 3_000_000)
        pieces = AgentSource(HereAccess(), root).read([entry_at(root, b"file")])
        next(pieces)
        self._change(root, change)
        assert last_piece(pieces).problem is Problem.CHANGED

    def test_a_folder_that_is_replaced_is_not_read_from_for_long(self, root: bytes) -> None:
        for number in range(1000):
            write_file(root + b"/folder/%d" % number, b"old" * 3000)
        files = [entry_at(root, b"folder/%d" % number) for number in range(1000)]
        pieces = AgentSource(HereAccess(), root).read(files)
        assert next(pieces).data == b"old" * 3000
        os.rename(root + b"/folder", root + b"/moved")
        for number in range(1000):
            write_file(root + b"/folder/%d" % number, b"new" * 3000)
        assert [piece.data for piece in pieces][600:] == [b"new" * 3000] * 399

    def test_access_times_of_our_own_files_stay(self, root: bytes) -> None:
        write_file(root + b"/file")
        os.utime(root + b"/file", ns=(0, 0))
        (piece,) = AgentSource(HereAccess(), root).read([entry_at(root, b"file")])
        assert piece.data == b"content\n"
        assert os.stat(root + b"/file").st_atime_ns == 0

    def test_files_of_others_are_read_too(self, shared: bytes) -> None:
        write_file(shared + b"/theirs")
        write_file(shared + b"/closed", mode=0o000)
        with without_rights():
            theirs, closed = AgentSource(HereAccess(), shared).read(
                [entry_at(shared, b"theirs"), entry_at(shared, b"closed")]
            )
        assert theirs.data == b"content\n"
        assert (closed.problem, closed.reason) == (Problem.FAILED, "Permission denied")

    def test_no_link_above_a_file_is_followed(self, root: bytes) -> None:
        write_file(root + b"/folder/file")
        entry = entry_at(root, b"folder/file")
        os.rename(root + b"/folder", root + b"/moved")
        os.symlink(b"moved", root + b"/folder")
        (piece,) = AgentSource(HereAccess(), root).read([entry])
        assert piece.problem is Problem.CHANGED

    def _change(self, root: bytes, change: str) -> None:
        path = root + b"/file"
        if change == "append":
            with open(path, "ab") as file:
                file.write(b"more")
        elif change == "rewrite":
            with open(path, "r+b") as file:
                file.write(b"y")
        elif change == "replace":
            write_file(path + b".new", b"z")
            os.rename(path + b".new", path)
        elif change == "remove":
            os.unlink(path)
        else:
            os.chmod(path, 0o600)
