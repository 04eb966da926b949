"""What the writer on this machine promises beyond the contract of all trees."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from migrator.domain.entries import Entry, Kind
from migrator.endpoints.agent import program
from migrator.endpoints.agent.here import HereAccess, HereConversation
from migrator.endpoints.agent.program import by_openat2, by_walk
from migrator.endpoints.agent.target import AgentTarget
from migrator.endpoints.agent.writer import AgentWriter
from migrator.errors import EndpointUnavailable, Held, Refused
from tests.support.accounts import open_folder, without_rights
from tests.support.trees import MTIME_NS, build_deep, remove_tree, write_file

Folders: Callable[[bytes], Any] = program.Folders
best_resolver: Callable[[int], Any] = program.best_resolver
KEY = b"k" * 32
KEEP = frozenset({"mode", "times"})


@pytest.fixture(params=[by_openat2, by_walk])
def resolver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's own way to stay beneath a root, and the one for kernels without it."""
    monkeypatch.setattr(program, "best_resolver", lambda _: request.param)


@pytest.fixture
def root(tmp_path: Path) -> bytes:
    (tmp_path / "root").mkdir()
    return os.fsencode(tmp_path / "root")


@pytest.fixture
def shared() -> Iterator[bytes]:
    with open_folder() as folder:
        yield folder


def a_file(path: bytes, size: int = 1, mode: int = 0o644) -> Entry:
    return Entry(path, Kind.FILE, size, MTIME_NS, mode, os.geteuid(), os.getegid())


def a_folder(path: bytes, mode: int) -> Entry:
    return Entry(path, Kind.DIRECTORY, 0, MTIME_NS, mode, os.geteuid(), os.getegid())


def new_writer(root: bytes) -> AgentWriter:
    return AgentWriter(HereConversation(), root, KEY, KEEP)


def put(writer: AgentWriter, path: bytes) -> None:
    writer.begin(a_file(path))
    writer.write(b"x")
    writer.finish(a_file(path))


def problems(writer: AgentWriter) -> dict[bytes, str]:
    return {landed.path: landed.problem for landed in writer.commit() if landed.problem is not None}


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


class TestFolders:
    @pytest.mark.parametrize("path", [b"link", b"link/inner", b"real/up", b"real/up/real", b"file", b"file/below"])
    def test_only_real_folders_are_opened(self, root: bytes, resolver: None, path: bytes) -> None:
        os.makedirs(root + b"/real/inner")
        os.symlink(b"real", root + b"/link")
        os.symlink(b"..", root + b"/real/up")
        write_file(root + b"/file")
        before = open_descriptors()
        folders = Folders(root)
        assert os.path.samestat(os.stat(folders.open(b"real/inner")[0]), os.stat(root + b"/real/inner"))
        with pytest.raises(OSError, match=r"symbolic links|Not a directory"):
            folders.open(path)
        folders.close()
        folders.close()
        assert open_descriptors() == before

    @pytest.mark.parametrize("path", [b"..", b"real/..", b"real/../..", b"/", b"/etc", b"real//inner", b".", b"a\0b"])
    def test_no_path_leads_out(self, root: bytes, resolver: None, path: bytes) -> None:
        os.makedirs(root + b"/real/inner")
        folders = Folders(root)
        with pytest.raises(ValueError, match="below a root"):
            folders.open(path)
        folders.close()

    def test_a_path_longer_than_the_kernel_takes_is_opened_in_parts(self, root: bytes, resolver: None) -> None:
        build_deep(root)
        deepest = b"/".join(b"level-%04d" % level for level in range(1000))
        before = open_descriptors()
        folders = Folders(root)
        try:
            assert os.listdir(f"/proc/self/fd/{folders.open(deepest)[0]}") == ["bottom"]
        finally:
            folders.close()
            remove_tree(root)
        assert open_descriptors() == before

    def test_an_endless_name_is_an_ordinary_error(self, root: bytes, resolver: None) -> None:
        folders = Folders(root)
        with pytest.raises(OSError, match="too long"):
            folders.open(b"x" * 5000)
        folders.close()

    def test_descriptors_are_bounded(self, root: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(program, "FOLDERS_OPEN", 10)
        for number in range(50):
            os.mkdir(root + b"/%d" % number)
        before = open_descriptors()
        folders = Folders(root)
        for _ in range(2):
            for number in range(50):
                folder = folders.open(b"%d" % number)
                assert os.path.samestat(os.stat(folder[0]), os.stat(root + b"/%d" % number))
        assert open_descriptors() <= before + 11
        folders.close()
        assert open_descriptors() == before

    def test_the_kernel_of_today_has_openat2(self, root: bytes) -> None:
        root_fd = os.open(root, program.PATH_FLAGS)
        assert best_resolver(root_fd) is by_openat2
        os.close(root_fd)


class TestRaces:
    def test_a_folder_swapped_for_a_link_is_noticed_at_the_commit(
        self, root: bytes, resolver: None, tmp_path: Path
    ) -> None:
        (tmp_path / "outside").mkdir()
        writer = new_writer(root)
        for number in range(10):
            put(writer, b"a/b/%d" % number)
        os.rename(root + b"/a", os.fsencode(tmp_path / "moved"))
        os.symlink(os.fsencode(tmp_path / "outside"), root + b"/a")
        os.mkdir(tmp_path / "outside" / "b")
        assert problems(writer).keys() == {b"a/b/%d" % number for number in range(10)}
        writer.close()
        assert os.listdir(tmp_path / "outside" / "b") == []
        assert os.listdir(tmp_path / "moved" / "b") == [], "temp files are taken back where they were made"

    def test_a_folder_swapped_for_another_is_noticed_and_then_used(self, root: bytes, tmp_path: Path) -> None:
        writer = new_writer(root)
        put(writer, b"a/first")
        put(writer, b"a/second")
        os.rename(root + b"/a", os.fsencode(tmp_path / "moved"))
        os.mkdir(root + b"/a")
        assert problems(writer).keys() == {b"a/first", b"a/second"}
        assert os.listdir(tmp_path / "moved") == []
        put(writer, b"a/first")
        assert problems(writer) == {}
        assert os.listdir(root + b"/a") == [b"first"]
        writer.close()

    def test_a_folder_that_somebody_removed_is_made_again_for_the_next_file(self, root: bytes) -> None:
        writer = new_writer(root)
        put(writer, b"a/first")
        assert problems(writer) == {}
        remove_tree(root + b"/a")
        put(writer, b"a/second")
        put(writer, b"a/third")
        assert problems(writer).keys() == {b"a/second"}
        assert os.listdir(root + b"/a") == [b"third"]
        writer.close()


class TestContent:
    @pytest.mark.parametrize("content", [b"", b"short", b"a little too long"])
    def test_other_than_the_announced_bytes_never_become_a_file(self, root: bytes, content: bytes) -> None:
        writer = new_writer(root)
        entry = a_file(b"file", size=10)
        writer.begin(entry)
        writer.write(content)
        writer.finish(entry)
        (problem,) = problems(writer).values()
        assert problem == f"{len(content)} bytes came of 10"
        assert os.listdir(root) == []
        writer.close()

    def test_an_open_file_is_closed_to_others(self, root: bytes) -> None:
        writer = new_writer(root)
        writer.begin(a_file(b"file"))
        writer.write(b"x" * 300_000)  # less would wait for the rest, to be made in one go
        (name,) = os.listdir(root)
        assert stat.S_IMODE(os.stat(root + b"/" + name).st_mode) == 0o600
        writer.close()
        assert os.listdir(root) == []

    def test_no_descriptor_is_left_whatever_happened(self, root: bytes) -> None:
        before = open_descriptors()
        os.mkdir(root + b"/in the way")
        writer = new_writer(root)
        for number in range(20):
            put(writer, b"%d/file" % number)
            put(writer, b"in the way")
        writer.begin(a_file(b"abandoned"))
        writer.commit()
        put(writer, b"few")
        writer.close()
        assert open_descriptors() == before


class TestWithoutRights:
    def test_closed_folders_of_our_own_are_opened_up_and_settled_again(self, shared: bytes) -> None:
        root = shared + b"/root"
        with without_rights():
            os.makedirs(root + b"/a/b/c")
            for folder, mode in ((b"/a/b/c", 0o000), (b"/a/b", 0o444), (b"/a", 0o555)):
                os.chmod(root + folder, mode)
            writer = new_writer(root)
            put(writer, b"a/file")
            put(writer, b"a/b/c/file")
            put(writer, b"a/b/new/file")
            assert problems(writer) == {}
            assert writer.remove([a_file(b"a/file")])[0].problem is None
            closed = [a_folder(b"a/b/c", 0o000), a_folder(b"a/b", 0o555), a_folder(b"a", 0o500)]
            assert [landed.problem for landed in writer.settle(closed)] == [None] * 3
            writer.close()
            assert [stat.S_IMODE(os.stat(root + path).st_mode) for path in (b"/a", b"/a/b")] == [0o500, 0o555]
        assert stat.S_IMODE(os.stat(root + b"/a/b/c").st_mode) == 0

    @pytest.mark.root
    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can make folders of somebody else")
    def test_folders_of_others_stay_as_they_are(self, shared: bytes) -> None:
        os.mkdir(shared + b"/theirs", 0o755)
        with without_rights():
            writer = new_writer(shared)
            put(writer, b"theirs/file")
            put(writer, b"ours")
            assert problems(writer) == {b"theirs/file": "Permission denied"}
            (landed,) = writer.settle([a_folder(b"theirs", 0o700)])
            assert landed.problem == "Operation not permitted"
            writer.close()
        assert stat.S_IMODE(os.stat(shared + b"/theirs").st_mode) == 0o755

    @pytest.mark.root
    @pytest.mark.skipif(os.geteuid() != 0, reason="root may write anywhere else")
    def test_a_target_that_is_closed_to_us_is_unavailable(self, shared: bytes) -> None:
        os.mkdir(shared + b"/closed", 0o000)
        target = AgentTarget(HereAccess(), shared + b"/closed", KEY)
        below = AgentTarget(HereAccess(), shared + b"/closed/below", KEY)
        with without_rights():
            with pytest.raises(EndpointUnavailable), target.hold("a"):
                pass
            with pytest.raises(EndpointUnavailable):
                below.make_root()
            assert "owner" not in target.abilities.keeps
            with pytest.raises(Refused, match="owner"):
                target.writer(frozenset({"owner"}))
        assert "owner" in target.abilities.keeps


HOLDER = """
import sys
from migrator.endpoints.agent.here import HereAccess
from migrator.endpoints.agent.target import AgentTarget

with AgentTarget(HereAccess(), sys.argv[1].encode(), b"k" * 32).hold("child"):
    print("held", flush=True)
    sys.stdin.read()
"""


class TestHold:
    def test_the_lock_ends_with_its_process(self, root: bytes) -> None:
        command = [sys.executable, "-c", HOLDER, os.fsdecode(root)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            try:
                assert child.stdout is not None
                assert child.stdout.readline() == b"held\n"
                with pytest.raises(Held), AgentTarget(HereAccess(), root, KEY).hold("other"):
                    pass
            finally:
                child.kill()
        with AgentTarget(HereAccess(), root, KEY).hold("other"):
            pass
