"""A small tree of everything odd moves, whichever way the endpoints are reached."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

import pytest

from tests.support.moves import NAME, Move, footprint, give
from tests.support.plans import Mapped, local, remote
from tests.support.sshd import Account, ClientKey, Setup, Sshd, running_sshd
from tests.support.trees import build_nasty, build_specials, differences, snapshot

Connector = Literal["openssh", "paramiko"]
Way = Literal["local", "openssh", "paramiko"]
WAYS: tuple[tuple[Way, Way], ...] = (
    ("local", "local"),
    ("local", "openssh"),
    ("local", "paramiko"),
    ("openssh", "local"),
    ("paramiko", "local"),
    ("openssh", "paramiko"),
)


def end_of(way: Way, server: Sshd) -> Mapped:
    return local() if way == "local" else remote(server.endpoint(way))


def plant(source: Path, account: Account) -> None:
    build_nasty(bytes(source))
    build_specials(bytes(source / "specials"))
    # What its own account may not read cannot move by it; unreadable files have a test of their own.
    (source / "modes" / "000").chmod(0o400)
    give(source, account)


@pytest.mark.parametrize("way", WAYS, ids="-to-".join)
def test_a_tree_of_everything_odd_moves_and_is_switched_over(
    way: tuple[Way, Way], sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    source, target = ground / "source", ground / "target"
    plant(source, account)
    untouched = footprint(source)
    move = Move(tmp_path, source, target, end_of(way[0], sshd), end_of(way[1], sshd))
    cli = move.cli()

    outcome = cli("run", "--yes", "--json")

    assert cli.phases() == {NAME: "switched-over"}
    sees_nanoseconds = way == ("local", "local")
    assert differences(source, target, nanoseconds=sees_nanoseconds) == []
    assert move.is_switched_over
    assert move.frozen.exists(), "after the switch the source stays frozen"
    assert footprint(source) == untouched, "something was written at the source"

    facts = snapshot(source)
    classes = {path: fact.kind.startswith("special") for path, fact in facts.items()}
    items = cli.items()
    assert len(items) == len(facts)
    assert {item["class"] for item in items} == {"verified", "excluded"}
    assert sum(item["class"] == "excluded" for item in items) == sum(classes.values()) == 2
    digests = {item["sha256"] for item in items if item["kind"] == "file"}
    assert digests == {fact.content for fact in facts.values() if fact.kind == "file"}
    assert outcome.lines()[-1]["event"] == "run.ended"
    assert outcome.lines()[-1]["exit_code"] == 0

    settled = footprint(target)
    again = cli("run", "--yes", "--json")
    assert again.events("bytes.moved") == again.events("item.") == again.events("step.started") == []
    assert footprint(target) == settled
    assert [path.name for path in ground.iterdir() if path.name.startswith(".migrator")] == [], "a lease stayed behind"


@pytest.mark.parametrize("way", [("openssh", "local"), ("local", "paramiko")], ids="-to-".join)
def test_a_pass_over_an_unchanged_tree_sends_no_content(
    way: tuple[Way, Way], sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    source, target = ground / "source", ground / "target"
    plant(source, account)
    cli = Move(tmp_path, source, target, end_of(way[0], sshd), end_of(way[1], sshd)).cli()
    first = cli("run", "--until", "seeded", "--json")
    content = sum(path.stat().st_size for path in source.rglob("*") if path.is_file() and not path.is_symlink())
    assert sum(event["size_bytes"] for event in first.events("bytes.moved")) == content
    settled = footprint(target)

    second = cli("run", "--until", "seeded", "--json")

    assert [event["step"] for event in second.events("step.started")] == ["catch-up"]
    assert sum(event["size_bytes"] for event in second.events("bytes.moved")) == 0
    assert second.events("item.acknowledged") == []
    assert footprint(target) == settled


@pytest.mark.root
@pytest.mark.parametrize("connector", ["openssh", "paramiko"])
def test_a_chrooted_account_that_can_only_read_is_enough_for_a_source(
    connector: Connector, account: Account, client_key: ClientKey, tmp_path: Path
) -> None:
    assert account.jail is not None
    source = account.data / "source"
    plant(source, account)
    try:
        with running_sshd(Setup(account, client_key, lines=account.jailed(read_only=True))) as server:
            end = remote(server.endpoint(connector))
            move = Move(tmp_path, source, tmp_path / "target", source_end=end, source_path="/data/source")
            cli = move.cli()
            cli("run", "--yes")
            assert cli.phases() == {NAME: "switched-over"}
            assert differences(source, move.target, nanoseconds=False) == []
    finally:
        shutil.rmtree(source)


def test_what_users_change_between_the_passes_arrives(ground: Path, account: Account, tmp_path: Path) -> None:
    source, target = ground / "source", ground / "target"
    plant(source, account)
    move = Move(tmp_path, source, target)
    cli = move.cli()
    cli("run", "--until", "seeded")

    (source / "names" / "with space").write_bytes(b"longer than before")
    (source / "names" / "fresh").write_bytes(b"a new file")
    (source / "links" / "relative").unlink()
    (source / "links" / "relative").mkdir()  # a link became a folder
    (source / "links" / "relative" / "inside").write_bytes(b"inside")
    shutil.rmtree(source / "folders")
    (source / "folders").write_bytes(b"a folder became a file")
    (source / "times" / "old").unlink()
    (source / "modes" / "755").chmod(0o700)
    (source / "names" / ".hidden").rename(source / "names" / "seen")

    cli("run", "--until", "seeded")
    assert (target / "times" / "old").exists(), "only the final sync deletes"
    cli("run", "--yes")

    assert cli.phases() == {NAME: "switched-over"}
    assert differences(source, target) == []


def test_two_applications_move_side_by_side_and_in_the_order_of_their_needs(tmp_path: Path) -> None:
    moves = [Move(tmp_path / name, tmp_path / f"source-{name}", tmp_path / f"target-{name}") for name in ("a", "b")]
    for move in moves:
        build_nasty(bytes(move.source))
    for move in moves:
        move.folder.mkdir()
    cli = moves[1].cli(moves[0].application() | {"name": "annuaire"}, needs=["annuaire"])

    outcome = cli("run", "--yes", "--json")

    assert cli.phases() == {NAME: "switched-over", "annuaire": "switched-over"}
    for move in moves:
        assert differences(move.source, move.target) == []
        assert move.is_switched_over
    order = [(event["application"], event["step"]) for event in outcome.events("step.ended")]
    assert order.index(("annuaire", "switch-over")) < order.index((NAME, "freeze"))
