"""Files that move while they are read: no mixture of two versions ever gets a name, and what stays behind is told."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from migrator.domain.entries import Entry
from migrator.endpoints.contract import Checked, Endpoint, Piece, Problem, SourceTree
from tests.support.cli import Cli
from tests.support.lanes import opened
from tests.support.moves import NAME, Move, give
from tests.support.plans import Mapped, local, remote
from tests.support.sshd import Account, Sshd, wait_for
from tests.support.trees import differences, set_folder_times, write_file

LARGE = 9_000_000  # more than a reader asks for before the first byte is taken
RECORD = 16


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"new" * 1000)


def shrink(path: Path) -> None:
    os.truncate(path, 100)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"one more line\n")


def replace(path: Path) -> None:
    other = path.with_name("on its way")
    other.write_bytes(b"another file")
    other.rename(path)


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


CHANGES: list[Callable[[Path], None]] = [rewrite, shrink, grow, replace]
LOSSES: list[Callable[[Path], None]] = [Path.unlink, become_a_folder, become_a_link]


@pytest.fixture(scope="module", params=["local", "sftp on a pipe", "agent on a pipe", "openssh", "agent openssh"])
def endpoint(request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    with opened(request.param) as endpoint:
        yield endpoint


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "source" / "file"
    write_file(bytes(path), b"old version " * (LARGE // 12))
    write_file(bytes(path.with_name("elsewhere")), b"not to be read in its place")
    return path


@pytest.fixture
def source(endpoint: Endpoint, path: Path) -> Iterator[SourceTree]:
    with contextlib.closing(endpoint.source(bytes(path.parent))) as source:
        yield source


def listed(source: SourceTree) -> Entry:
    entry = source.stat(b"file")
    assert entry is not None
    return entry


def read(source: SourceTree, entry: Entry, meddle: Callable[[], None] | None = None) -> tuple[bytes, Piece]:
    """The content and the verdict; `meddle` is called when the first piece has come."""
    content = b""
    for piece in source.read([entry]):
        content += piece.data
        if piece.is_last:
            return content, piece
        if meddle is not None:
            meddle()
            meddle = None
    raise AssertionError("no verdict came")


@pytest.mark.parametrize("change", CHANGES)
def test_changed_between_the_listing_and_the_opening_it_is_read_as_it_is(
    source: SourceTree, path: Path, change: Callable[[Path], None]
) -> None:
    entry = listed(source)
    change(path)
    content, last = read(source, entry)
    assert content == path.read_bytes()
    assert last.found == source.stat(b"file"), "what is recorded is what was read, not what was listed"


@pytest.mark.parametrize("loss", LOSSES)
def test_lost_between_the_listing_and_the_opening_it_is_told(
    source: SourceTree, path: Path, loss: Callable[[Path], None]
) -> None:
    entry = listed(source)
    loss(path)
    _, last = read(source, entry)
    assert last.found is None
    assert (last.problem is Problem.VANISHED) == (loss is Path.unlink)


@pytest.mark.parametrize("change", [*CHANGES, *LOSSES])
def test_changed_while_it_is_read_it_is_never_whole(
    source: SourceTree, path: Path, change: Callable[[Path], None]
) -> None:
    _, last = read(source, listed(source), lambda: change(path))
    assert (last.found, last.problem) == (None, Problem.CHANGED)


@pytest.mark.parametrize("endpoint", ["local", "agent on a pipe"], indirect=True)
def test_nothing_is_read_within_a_tick_of_the_clock_after_it_was_written(source: SourceTree, path: Path) -> None:
    """Kernels before 6.13 give two writes within a tick the same ctime: the second would leave no trace."""
    tick_ns = 20_000_000
    entry = listed(source)
    path.write_bytes(b"small, and read in no time")
    _, last = read(source, entry)
    assert last.found is not None
    assert last.found.ctime_ns is not None
    assert time.time_ns() - last.found.ctime_ns >= tick_ns
    path.write_bytes(b"and hashed")
    *_, hashed = source.digests([entry])
    assert hashed.found is not None
    assert hashed.found.ctime_ns is not None
    assert time.time_ns() - hashed.found.ctime_ns >= tick_ns
    path.write_bytes(b"and read in parts")
    reader = source.ranges(entry)
    assert not isinstance(reader, Checked)
    with contextlib.closing(reader):
        assert reader.found.ctime_ns is not None
        assert time.time_ns() - reader.found.ctime_ns >= tick_ns


# A process that never rests. Each file says in every record which version it is of; see `is_a_version`.
STORM = """
import itertools, os, sys, time
root, begun, records, files = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
def content(version, count=records):
    return b"%015d\\n" % version * count
for version in itertools.count(2):
    for number in range(files):
        def at(kind):
            return os.path.join(root, kind, str(number))
        with open(at("rewritten"), "r+b", buffering=0) as file:
            for part in range(8):
                file.write(content(version, records // 8))
        with open(at("refilled"), "wb", buffering=0) as file:
            file.write(content(version))
        with open(at("growing"), "ab", buffering=0) as file:
            file.write(content(version, 1))
        with open(at("replaced") + ".new", "wb") as file:
            file.write(content(version))
        os.rename(at("replaced") + ".new", at("replaced"))
        try:
            os.unlink(at("vanishing"))
        except FileNotFoundError:
            with open(at("vanishing") + ".new", "wb") as file:
                file.write(content(version))
            os.rename(at("vanishing") + ".new", at("vanishing"))
        time.sleep(0.002)
    open(begun, "w").close()
"""
KINDS = ("rewritten", "refilled", "growing", "replaced", "vanishing")
RECORDS = 8 * 1024
FILES = 4


def is_a_version(kind: str, content: bytes) -> bool:
    """Whether a file of that kind ever looked so: no record of a later version behind one of an earlier."""
    if len(content) % RECORD:
        return False
    versions = [int(content[at : at + RECORD]) for at in range(0, len(content), RECORD)]
    if kind == "rewritten":  # from the front to the back, one version at a time
        in_order = all(one >= other for one, other in itertools.pairwise(versions))
        return len(versions) == RECORDS and in_order and versions[0] - versions[-1] <= 1
    if kind == "growing":
        return versions == [1, *range(2, len(versions) + 1)]
    return len(set(versions)) <= 1 and len(versions) in ({0, RECORDS} if kind == "refilled" else {RECORDS})


@contextlib.contextmanager
def storm(root: Path, begun: Path) -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-c", STORM, str(root), str(begun), str(RECORDS), str(FILES)]
    process = subprocess.Popen(argv)
    try:
        wait_for(lambda: begun.exists() or process.poll() is not None, "the writer has begun", 30)
        yield process
    finally:
        assert process.poll() is None, "the writer ended by itself"
        process.kill()
        process.wait()


def torn(target: Path) -> list[str]:
    """What stands at the target and was never at the source."""
    paths = [path for kind in KINDS for path in (target / kind).glob("*") if path.suffix != ".new"]
    return [str(path) for path in paths if not is_a_version(path.parent.name, path.read_bytes())]


def plant(source: Path, account: Account) -> None:
    for kind in KINDS:
        for number in range(FILES):
            write_file(bytes(source / kind / str(number)), b"%015d\n" % 1 * (1 if kind == "growing" else RECORDS))
    for number in range(20):
        write_file(bytes(source / "quiet" / str(number)), b"%d" % number * 5000)
    set_folder_times(bytes(source))
    give(source, account)


@pytest.mark.parametrize("way", ["local", "sftp", "agent"])
def test_a_source_that_never_rests_gives_versions_only_and_arrives_when_it_does(
    way: str, sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    ends: dict[str, Mapped] = {
        "local": local(),
        "sftp": remote(sshd.endpoint("openssh")),
        "agent": remote(sshd.endpoint("openssh"), "agent"),
    }
    source, target = ground / "source", ground / "target"
    plant(source, account)
    cli = Move(tmp_path, source, target, ends[way]).cli()
    with storm(source, tmp_path / "begun"):
        with cli.started("run", "--until", "seeded") as run:
            assert run.stdout is not None
            run.stdout.read()
            # A file that is cut off while it is read, and whole again at the next look, is a short read over SFTP.
            assert run.wait(60) in ((0, 3) if way == "sftp" else (0,))
        assert torn(target) == []
        told_put_off(cli)

    give(source, account)
    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}
    assert differences(source, target, nanoseconds=way == "local") == []
    assert told_put_off(cli) == {}
    assert list(ground.rglob(".migrator-[0-9a-f]*-*")) == []


def told_put_off(cli: Cli) -> dict[str, int]:
    """What `status` says was put off, and how often; `export` must have it pending, with the reason."""
    listed = cli.applications()[NAME]["put_off"]
    told = {each["path"]: each["tries"] for each in listed}
    assert all(each["reason"] for each in listed)
    assert set(told) <= {item["path"] for item in cli.items() if item["class"] == "pending" and item["reason"]}
    return told


SCRIBBLER = """
import sys, time
with open(sys.argv[1], "r+b", buffering=0) as file:
    while True:
        file.seek(0)
        file.write(b"y")
        time.sleep(0.0005)
"""


def test_a_hot_file_is_told_by_name_with_how_often_it_was_tried(tmp_path: Path) -> None:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    hot, quiet = move.source / "hot \x1b[31m", move.source / "quiet"
    write_file(bytes(hot), b"x" * 4_000_000)
    write_file(bytes(quiet))
    cli = move.cli()
    with subprocess.Popen([sys.executable, "-c", SCRIBBLER, str(hot)]) as writer:
        try:
            outcome = cli("run", "--until", "seeded", "--json")
            told = told_put_off(cli)
            said = cli("status").stdout
        finally:
            writer.send_signal(signal.SIGKILL)
    events = outcome.events("item.pending")
    assert told == {"hot \\x1b[31m": len(events)}
    assert len(events) >= 3, "the first try, and two more in the same pass"
    assert {event["reason"] for event in events} == {"it changed while it was read"}
    assert f"put off {len(events)} times: files: hot \\x1b[31m: it changed while it was read" in said
    assert not (move.target / hot.name).exists()

    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}
    assert differences(move.source, move.target) == []
