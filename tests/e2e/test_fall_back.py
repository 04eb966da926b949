"""Falling back after the switch: what users wrote at the target comes home first, verified, or nothing is done."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest

from tests.support.cli import Cli
from tests.support.moves import NAME, Move, footprint, give
from tests.support.plans import Mapped, flag_freeze, local, remote
from tests.support.sshd import Account, ClientKey, Setup, Sshd, own_account, running_sshd
from tests.support.trees import differences
from tests.support.users import CHANGED, CREATED, DELETED, live, plant

Way = Literal["local", "sftp openssh", "sftp paramiko", "agent openssh"]
WAYS: tuple[tuple[Way, Way], ...] = (
    ("local", "local"),
    ("local", "sftp openssh"),
    ("sftp paramiko", "local"),
    ("agent openssh", "local"),
    ("sftp openssh", "agent openssh"),
)


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    plant(move.source)
    return move


def switched(move: Move, *, application: Mapped | None = None, **fall_back: object) -> Cli:
    """The command line once users are at the target."""
    cli = move.cli(fall_back=fall_back, **(application or {}))
    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}
    assert move.is_switched_over
    return cli


def is_home(move: Move, cli: Cli) -> bool:
    """Whether users are at a source that they may write."""
    return cli.phases() == {NAME: "seeded"} and move.is_untouched and not move.frozen.exists()


def end_of(way: Way, server: Sshd) -> Mapped:
    if way == "local":
        return local()
    connector: Literal["openssh", "paramiko"] = "paramiko" if way.endswith("paramiko") else "openssh"
    return remote(server.endpoint(connector), "agent" if way.startswith("agent") else "sftp")


@pytest.mark.parametrize("way", WAYS, ids="-to-".join)
def test_200_files_created_changed_and_deleted_at_the_target_come_home(
    way: tuple[Way, Way], sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    source, target = ground / "source", ground / "target"
    plant(source)
    give(source, account)
    move = Move(tmp_path, source, target, end_of(way[0], sshd), end_of(way[1], sshd))
    cli = switched(move, source_write=True)
    live(target)
    give(target, account)
    outcome = cli("fall-back", "--yes", "--json")
    (changes,) = outcome.events("target.changes")
    assert (changes["created"], changes["changed"], changes["deleted"]) == (CREATED, CHANGED, DELETED)
    assert len(outcome.events("target.changed")) == CREATED + CHANGED + DELETED
    carried = {event["path"] for event in outcome.events("item.acknowledged") if event["kind"] != "directory"}
    verified = {event["path"] for event in outcome.events("item.verified")}
    assert len(carried) == 70 + 70 + 1
    assert carried <= verified, "what was copied back is read again at the source"
    sees_nanoseconds = way == ("local", "local")
    assert differences(target, source, nanoseconds=sees_nanoseconds) == []
    assert is_home(move, cli)
    assert list(ground.rglob("*.migrator*")) == []

    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}
    assert differences(source, target, nanoseconds=sees_nanoseconds) == []
    assert {item["class"] for item in cli.items()} == {"verified"}


def test_without_writes_at_the_target_nothing_is_copied_and_nothing_asked(move: Move) -> None:
    before = footprint(move.source)
    cli = switched(move)
    outcome = cli("fall-back", "--yes", "--json")
    (changes,) = outcome.events("target.changes")
    assert {changes[word] for word in ("created", "changed", "deleted", "unknown", "size_bytes")} == {0}
    assert outcome.events("item.acknowledged") == []
    assert [
        (event["effect"], event["verb"]) for event in outcome.events("effect.noted") if event["verb"] == "undo"
    ] == [
        ("switch 2 (command)", "undo"),
        ("switch 1 (symlink)", "undo"),
        ("freeze", "undo"),
    ]
    assert is_home(move, cli)
    assert footprint(move.source) == before
    assert cli("fall-back", "--yes", "--json").events("step.started") == [], "there is nothing left to do"


def test_a_folder_of_which_only_the_time_moved_is_no_write(move: Move) -> None:
    cli = switched(move)
    (move.target / "empty" / "passing").touch()
    (move.target / "empty" / "passing").unlink()
    cli("fall-back", "--yes")
    assert is_home(move, cli)


def test_without_a_yes_the_changes_are_shown_and_nothing_happens(move: Move) -> None:
    cli = switched(move, source_write=True)
    before = footprint(move.source)
    live(move.target)
    outcome = cli("fall-back", expect=4)
    assert f"{CREATED} created, {CHANGED} changed, {DELETED} deleted" in outcome.stderr
    assert "--yes" in outcome.stderr
    assert cli.phases() == {NAME: "switched-over"}
    assert move.is_switched_over
    assert footprint(move.source) == before
    cli("approve", "fall-back")
    cli("fall-back")
    assert is_home(move, cli)
    assert differences(move.target, move.source, nanoseconds=True, everything=True) == []


def test_where_the_source_may_not_be_written_nothing_is_lost_in_silence(move: Move) -> None:
    cli = switched(move)
    before = footprint(move.source)
    (move.target / "folder 0" / "upload").write_text("by a user")
    outcome = cli("fall-back", "--yes", expect=4)
    assert "would lose" in outcome.stderr
    assert "files/folder 0/upload: created" in outcome.stdout
    assert "--accept-loss" in outcome.stderr
    assert cli.phases() == {NAME: "switched-over"}
    assert move.is_switched_over
    assert footprint(move.source) == before


def test_a_source_that_is_read_with_other_credentials_than_it_is_written(
    account: Account, client_key: ClientKey, sshd: Sshd, ground: Path, tmp_path: Path
) -> None:
    source = ground / "source"
    plant(source)
    give(source, account)
    with running_sshd(Setup(account, client_key, subsystem="internal-sftp -R")) as reader:
        move = Move(
            tmp_path,
            source,
            tmp_path / "target",
            source_end=remote(reader.endpoint("openssh")),
            more_ends={"old-rw": remote(sshd.endpoint("openssh"))},
        )
        cli = switched(move, source_write=True, endpoint="old-rw")
        live(move.target)
        cli("fall-back", "--yes")
    assert is_home(move, cli)
    assert differences(move.target, source, nanoseconds=False) == []


def test_an_endpoint_that_leads_elsewhere_is_found_out(
    account: Account, client_key: ClientKey, ground: Path, tmp_path: Path
) -> None:
    """What was copied is read again by the endpoint that the source is read by."""
    with (
        own_account() as other,
        running_sshd(Setup(account, client_key, lines=account.jailed(read_only=True))) as reader,
        running_sshd(Setup(other, client_key, lines=other.jailed(read_only=False))) as writer,
    ):
        elsewhere = other.data / "ground"
        for root, owner in ((ground, account), (elsewhere, other)):
            root.mkdir(exist_ok=True)
            plant(root)
            give(root, owner)
        move = Move(
            tmp_path,
            Path("/data/ground"),
            tmp_path / "target",
            source_end=remote(reader.endpoint("openssh")),
            more_ends={"old-rw": remote(writer.endpoint("openssh"))},
        )
        cli = switched(move, source_write=True, endpoint="old-rw")
        (move.target / "upload").write_text("by a user")
        outcome = cli("fall-back", "--yes", expect=3)
        assert (elsewhere / "upload").exists()
    assert "files/upload: is missing" in outcome.stdout
    assert "leads to the same place" in outcome.stderr
    assert cli.phases() == {NAME: "switched-over"}
    assert move.is_switched_over


def test_what_changed_without_a_trace_of_time_and_size_comes_home(move: Move) -> None:
    cli = switched(move, source_write=True)
    path = move.target / "folder 0" / "file 150"
    before = path.stat()
    path.write_text(path.read_text().replace("as it was", "so it is!"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    cli("fall-back", "--yes")
    assert (move.source / "folder 0" / "file 150").read_text().startswith("so it is!")


def test_over_sftp_too_where_nothing_but_the_bytes_tells_it(
    sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    move = Move(tmp_path, tmp_path / "source", ground / "target", target_end=remote(sshd.endpoint("openssh")))
    plant(move.source)
    cli = switched(move, source_write=True)
    path = move.target / "folder 0" / "file 150"
    before = path.stat()
    path.write_text(path.read_text().replace("as it was", "so it is!"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    cli("fall-back", "--yes")
    assert (move.source / "folder 0" / "file 150").read_text().startswith("so it is!")


def test_kinds_that_changed_and_folders_that_went_come_home(move: Move) -> None:
    cli = switched(move, source_write=True)
    (move.target / "folder 0" / "file 000").unlink()
    (move.target / "folder 0" / "file 000").mkdir()
    (move.target / "folder 0" / "file 000" / "inside").write_text("a folder now")
    (move.target / "empty").rmdir()
    (move.target / "empty").write_text("a file now")
    for each in (move.target / "folder 1").iterdir():
        each.unlink()
    (move.target / "folder 1").rmdir()
    (move.target / "folder 2").chmod(0o711)
    os.link(move.target / "folder 2" / "file 002", move.target / "folder 2" / "second name")
    cli("fall-back", "--yes")
    assert differences(move.target, move.source, nanoseconds=True, everything=True) == []
    assert is_home(move, cli)


def test_of_a_large_file_only_what_changed_travels(move: Move) -> None:
    large = move.source / "large"
    large.write_bytes(os.urandom(20 * 1024 * 1024))
    cli = switched(move, source_write=True)
    with (move.target / "large").open("r+b") as file:
        file.seek(9 * 1024 * 1024)
        file.write(b"by a user")
    outcome = cli("fall-back", "--yes", "--json")
    assert large.read_bytes() == (move.target / "large").read_bytes()
    assert is_home(move, cli)
    step = [event["event"] for event in outcome.lines()].index("target.changes")
    moved = sum(event["size_bytes"] for event in outcome.lines()[step:] if event["event"] == "bytes.moved")
    assert moved < 2 * 20 * 1024 * 1024, "its blocks are compared, and it is read once more to be verified"


def test_what_the_plan_leaves_out_stays_out_on_the_way_back(move: Move) -> None:
    (move.source / "cache").mkdir()
    (move.source / "cache" / "old").write_text("of the source")
    cli = switched(move, application={"dataset": {"exclude": ["cache/"]}}, source_write=True)
    (move.target / "cache").mkdir()
    (move.target / "cache" / "new").write_text("of the target")
    (move.target / "upload").write_text("by a user")
    cli("fall-back", "--yes")
    assert [each.name for each in (move.source / "cache").iterdir()] == ["old"]
    assert (move.source / "upload").read_text() == "by a user"


def test_a_target_that_lost_more_than_the_plan_allows_takes_nothing_from_the_source(move: Move) -> None:
    cli = switched(move, source_write=True)
    before = footprint(move.source)
    for folder in ("folder 0", "folder 1"):
        shutil.rmtree(move.target / folder)
    outcome = cli("fall-back", "--yes", expect=8)
    assert "would be deleted at the source" in outcome.stderr
    assert "max_deletions" in outcome.stderr
    assert cli.phases() == {NAME: "switched-over"}
    assert footprint(move.source) == before


def test_a_target_of_which_nobody_knows_how_it_stood_is_compared_by_its_bytes(move: Move) -> None:
    """As after a switch by a version that did not look at the target first."""
    cli = switched(move, source_write=True)
    with closing(sqlite3.connect(cli.state / "moving-house" / "applications" / f"{NAME}.db")) as database, database:
        database.execute("DELETE FROM mark WHERE name = 'targets known'")
    path = move.target / "folder 0" / "file 150"
    before = path.stat()
    path.write_text(path.read_text().replace("as it was", "so it is!"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    (move.target / "upload").write_text("by a user")
    (move.target / "folder 1" / "file 001").unlink()
    outcome = cli("fall-back", "--yes", "--json")
    (changes,) = outcome.events("target.changes")
    assert (changes["created"], changes["changed"], changes["deleted"]) == (1, 1, 1)
    assert differences(move.target, move.source, nanoseconds=True, everything=True) == []
    assert is_home(move, cli)


def test_what_was_at_the_target_before_stays_there_alone(move: Move) -> None:
    move.target.mkdir()
    (move.target / "stranger").write_text("it was here first")
    cli = move.cli(fall_back={"source_write": True})
    cli("run", "--yes", "--adopt")
    before = footprint(move.source)
    outcome = cli("fall-back", "--yes", "--json")
    assert outcome.events("target.changed") == []
    assert is_home(move, cli)
    assert footprint(move.source) == before
    cli("run", "--yes")
    (move.target / "stranger").write_text("and then a user wrote to it")
    cli("fall-back", "--yes")
    assert (move.source / "stranger").read_text() == "and then a user wrote to it"


def test_a_source_that_changed_since_it_was_frozen_is_not_written(move: Move) -> None:
    cli = switched(move, source_write=True)
    (move.target / "upload").write_text("by a user")
    (move.source / "folder 0" / "file 000").write_text("by a program that did not know of the freeze")
    before = footprint(move.source)
    outcome = cli("fall-back", "--yes", expect=4)
    assert "not as it was frozen" in outcome.stderr
    assert "files/folder 0/file 000: changed" in outcome.stdout
    assert cli.phases() == {NAME: "switched-over"}
    assert footprint(move.source) == before


def test_the_target_is_frozen_for_the_last_copy_and_thawed_for_the_next_switch(move: Move) -> None:
    closed = move.folder / "closed"
    freeze = flag_freeze(closed)
    last = move.target / "last word"
    # Users write up to the moment in which they no longer can.
    freeze["apply"] = ["sh", "-c", f'echo "before it closed" > "{last}"; touch "{closed}"']
    cli = switched(move, source_write=True, freeze=freeze)
    live(move.target)
    cli("fall-back", "--yes")
    assert is_home(move, cli)
    assert (move.source / "last word").read_text() == "before it closed\n"
    assert differences(move.target, move.source, nanoseconds=True, everything=True) == []
    assert closed.exists(), "until the next switch nobody writes there who does not know yet"
    last.unlink()
    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}
    assert not closed.exists()


def test_going_on_after_all_thaws_the_target(move: Move) -> None:
    closed = move.folder / "closed"
    cli = switched(move, freeze=flag_freeze(closed))
    freeze = flag_freeze(closed)
    freeze["apply"] = ["sh", "-c", f'echo x > "{move.target}/late"; touch "{closed}"']
    cli = move.cli(fall_back={"freeze": freeze})
    cli("plan", "--accept-changes")
    cli("fall-back", "--yes", expect=4)
    assert closed.exists()
    assert move.is_switched_over
    cli("run")
    assert not closed.exists()
    assert cli.phases() == {NAME: "switched-over"}


def test_what_is_written_while_the_switches_are_undone_comes_home_too(move: Move) -> None:
    switch = move.application()["switch"]
    switch[1]["command"]["undo"] = ["sh", "-c", f'echo late > "{move.target}/late"; rm -f "{move.switched}"']
    cli = switched(move, application={"switch": switch}, source_write=True)
    cli("fall-back", "--yes")
    assert (move.source / "late").read_text() == "late\n"
    assert is_home(move, cli)


def test_and_is_not_lost_in_silence_where_the_source_may_not_be_written(move: Move) -> None:
    switch = move.application()["switch"]
    switch[1]["command"]["undo"] = ["sh", "-c", f'echo late > "{move.target}/late"; rm -f "{move.switched}"']
    cli = switched(move, application={"switch": switch})
    assert "files/late: created" in cli("fall-back", "--yes", expect=4).stdout
    assert cli.phases() == {NAME: "switching"}
    assert move.frozen.exists(), "nobody may write at the source while that is open"
    assert "falling back" in cli("run", "--yes", expect=4).stderr
    assert move.is_untouched, "a run does not switch forward again"
    standing = cli.applications()[NAME]
    assert standing["waits_for"] == "its fall back to be finished"
    assert standing["next"].startswith("migrator fall-back ")
    assert "accept-loss" in cli("fall-back", "--accept-loss", expect=4).stderr, "this gate is not open yet"
    assert move.frozen.exists()
    cli("fall-back", "--yes", "--accept-loss")
    assert is_home(move, cli)


def test_an_undo_that_fails_is_gone_on_with(move: Move) -> None:
    switch = move.application()["switch"]
    switch[0]["symlink"]["to"] = str(move.target)
    mended = move.folder / "mended"
    switch.append({"command": {**flag_freeze(move.folder / "third"), "undo": ["false"]}})
    switch[2]["command"]["undo"] = ["sh", "-c", f'test -e "{mended}" && rm -f "{move.folder}/third"']
    cli = switched(move, application={"switch": switch}, source_write=True)
    live(move.target)
    cli("fall-back", "--yes", expect=4)
    assert cli.phases() == {NAME: "switching"}
    assert move.is_switched_over
    assert "falling back" in cli("accept", expect=4).stderr + cli("run", "--yes", expect=4).stderr
    mended.touch()
    cli("fall-back", "--yes")
    assert is_home(move, cli)
    assert differences(move.target, move.source, nanoseconds=True, everything=True) == []


@pytest.mark.parametrize("phase", ["seeded", "verified", "accepted"])
def test_elsewhere_it_does_not_serve(move: Move, phase: str) -> None:
    cli = move.cli()
    cli("run", "--yes", *([] if phase == "accepted" else ["--until", phase]))
    if phase == "accepted":
        cli("accept")
    outcome = cli("fall-back", "--yes", expect=0 if phase == "seeded" else 4)
    assert {"seeded": "", "verified": "roll-back", "accepted": "the target is the truth"}[phase] in outcome.stderr
    assert cli.phases() == {NAME: phase}
