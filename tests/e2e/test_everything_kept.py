"""What SFTP cannot see arrives by the agent and on this machine, and is said to be lost over SFTP."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.moves import NAME, Move, footprint, give
from tests.support.plans import Mapped, local, remote
from tests.support.sshd import Account, Sshd
from tests.support.trees import build_attributes, build_nasty, differences, snapshot


def plant(source: Path, account: Account) -> None:
    build_nasty(bytes(source))
    (source / "modes" / "000").chmod(0o400)
    build_attributes(bytes(source))
    give(source, account)


@pytest.fixture
def source(ground: Path, account: Account) -> Path:
    plant(ground / "source", account)
    return ground / "source"


def by_agent(sshd: Sshd, connector: str) -> Mapped:
    return remote(sshd.endpoint("openssh" if connector == "openssh" else "paramiko"), "agent")


@pytest.mark.parametrize("way", ["local", "openssh-to-paramiko", "paramiko-to-openssh"])
def test_attributes_acls_and_hard_links_arrive(
    way: str, source: Path, sshd: Sshd, ground: Path, tmp_path: Path
) -> None:
    target = ground / "target"
    if way == "local":
        old, new = local(), local()
    else:
        old, new = (by_agent(sshd, connector) for connector in way.split("-to-"))
    cli = Move(tmp_path, source, target, old, new).cli()

    cli("run", "--until", "seeded")
    for name in ("closed", "plain", "acl"):
        os.setxattr(source / "attributes" / name, "user.late", b"set after the seed")
    os.removexattr(source / "attributes" / "acl", "system.posix_acl_access")
    os.removexattr(source / "attributes" / "folder", "system.posix_acl_default")
    untouched = footprint(source)
    outcome = cli("run", "--yes", "--json")

    assert cli.phases() == {NAME: "switched-over"}
    assert differences(source, target, everything=True) == []
    assert footprint(source) == untouched, "something was written at the source"
    items = cli.items()
    assert {item["class"] for item in items} == {"verified"}
    digests = {item["path"]: item["sha256"] for item in items if item["path"].startswith("linked/") and item["sha256"]}
    assert len(digests) == 5
    assert len(set(digests.values())) == 1
    assert "ACLs stay behind" not in outcome.stdout

    settled = footprint(target)
    cli("run", "--yes")
    assert footprint(target) == settled, "a second run changes nothing"


def test_over_sftp_the_loss_is_told_before_and_not_called_a_difference(
    source: Path, sshd: Sshd, ground: Path, tmp_path: Path
) -> None:
    target = ground / "target"
    cli = Move(tmp_path, source, target, remote(sshd.endpoint("openssh"))).cli()
    told = str(cli("plan"))
    for loss in ("hard links become separate files", "extended attributes stay behind", "ACLs stay behind"):
        assert loss in " ".join(told.split())
    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}
    assert differences(source, target, nanoseconds=False) == []
    assert {fact.attributes for fact in snapshot(target, everything=True).values()} == {()}


def test_a_word_that_the_lane_cannot_keep_stops_the_run_before_it_writes(
    source: Path, sshd: Sshd, ground: Path, tmp_path: Path
) -> None:
    cli = Move(tmp_path, source, ground / "target", remote(sshd.endpoint("openssh"))).cli(
        dataset={"keep": ["mode", "times", "hardlinks", "xattrs", "acls"]}
    )
    outcome = cli("run", "--yes", expect=4)
    assert "the sftp lane at the source cannot keep `acls`" in " ".join(str(outcome).split())
    assert not (ground / "target").exists() or not any((ground / "target").iterdir())
