"""Servers as providers run them: stingy, read-only, restarted, full, with other keys than agreed, or not OpenSSH."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from migrator.domain.plan import EndpointSpec, Lane, Limits, Ssh
from tests.support.cli import Cli
from tests.support.moves import NAME, Move, footprint, give
from tests.support.plans import Mapped, local, remote
from tests.support.proftpd import running_proftpd
from tests.support.sshd import Account, ClientKey, Setup, Sshd, make_key, running_sshd
from tests.support.trees import build_many, differences, set_folder_times, write_file

CONNECTORS = pytest.mark.parametrize("connector", ["openssh", "paramiko"])


def outward(folder: Path, ground: Path, account: Account, end: Mapped, files: int = 60) -> Move:
    """A tree of small files here and a few larger ones, that is to go to a far end."""
    move = Move(folder, folder / "source", ground / "target", local(), end)
    fill(move.source, files)
    return move


def inward(folder: Path, ground: Path, account: Account, end: Mapped, files: int = 60) -> Move:
    """The same tree, that is to come from a far end."""
    move = Move(folder, ground / "source", folder / "target", end, local())
    fill(move.source, files)
    give(move.source, account)
    return move


def fill(root: Path, files: int) -> None:
    build_many(bytes(root), files)
    for number in range(4):
        write_file(bytes(root / f"larger {number}"), os.urandom(3_000_000))
    set_folder_times(bytes(root))


def arrives(move: Move, cli: Cli) -> None:
    """Fails unless a plain run brings everything over and proves it."""
    cli("run", "--until", "verified", "--yes")
    assert cli.phases() == {NAME: "verified"}
    assert differences(move.source, move.target, nanoseconds=False) == []


@pytest.mark.parametrize(
    ("line", "way"),
    [
        pytest.param("MaxStartups 1", ("sftp", "openssh"), id="one login at a time"),
        pytest.param("MaxStartups 1", ("sftp", "paramiko"), id="one login at a time, paramiko"),
        pytest.param("MaxSessions 1", ("agent", "openssh"), id="one session a connection"),
        pytest.param("RekeyLimit 1M", ("sftp", "paramiko"), id="new keys each MB, paramiko"),
    ],
)
def test_a_stingy_server_is_enough(
    line: str, way: tuple[Lane, str], account: Account, client_key: ClientKey, ground: Path, tmp_path: Path
) -> None:
    lane, connector = way
    with running_sshd(Setup(account, client_key, lines=(line,))) as server:
        spec = server.endpoint("paramiko" if connector == "paramiko" else "openssh")
        move = inward(tmp_path, ground, account, remote(replace(spec, limits=Limits(connections=4)), lane))
        arrives(move, move.cli())


def test_a_read_only_target_is_told_and_nothing_is_there(
    account: Account, client_key: ClientKey, ground: Path, tmp_path: Path
) -> None:
    with running_sshd(Setup(account, client_key, subsystem="internal-sftp -R")) as server:
        move = outward(tmp_path, ground, account, remote(server.endpoint("openssh")))
        before = footprint(ground)
        outcome = move.cli()("run", "--until", "seeded", expect=10)
        assert "lease" in outcome.stderr or "target" in outcome.stderr
        assert footprint(ground) == before


def keyed_otherwise(server: Sshd, folder: Path, *, is_revoked: bool) -> EndpointSpec:
    """An endpoint whose key was agreed and has changed since, or is revoked."""
    spec = server.endpoint("openssh")
    assert isinstance(spec.ssh, Ssh)
    if not is_revoked:
        return replace(spec, ssh=replace(spec.ssh, host_keys=(make_key(folder / "other").public,)))
    known = folder / "known_hosts"
    host = f"[{spec.ssh.host}]:{spec.ssh.port}"
    known.write_text(f"{host} {server.host_key}\n@revoked {host} {server.host_key}\n")
    return replace(spec, ssh=replace(spec.ssh, host_keys=(), known_hosts=known))


@CONNECTORS
@pytest.mark.parametrize("is_revoked", [False, True], ids=["changed", "revoked"])
def test_a_host_key_that_is_not_to_be_trusted_stops_before_any_login(
    is_revoked: bool, connector: str, sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    spec = keyed_otherwise(sshd, tmp_path, is_revoked=is_revoked)
    end = remote(replace(spec, connector="paramiko" if connector == "paramiko" else "openssh"))
    move = inward(tmp_path, ground, account, end, files=3)
    outcome = move.cli()("run", "--until", "seeded", expect=8)
    assert ("revoked" if is_revoked else "not the one") in outcome.stderr
    assert "userauth-request" not in sshd.log(), "nobody may try to log in"
    assert list(move.target.iterdir()) == []


def test_a_host_key_that_changes_between_two_runs_is_a_stop(
    sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    move = inward(tmp_path, ground, account, remote(sshd.endpoint("openssh")), files=3)
    cli = move.cli()
    cli("run", "--until", "seeded")
    sshd.stop()
    for name in ("host_key", "host_key.pub"):
        (sshd.folder / name).unlink()
    make_key(sshd.folder / "host_key")
    sshd.start_again()
    cli("run", "--until", "verified", "--yes", expect=8)
    assert "userauth-request" not in sshd.log()
    assert cli.phases() == {NAME: "seeded"}


@pytest.mark.parametrize("lane", ["sftp", "agent"])
def test_a_server_that_is_restarted_in_the_middle_is_outlived(
    lane: Lane, sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    move = inward(tmp_path, ground, account, remote(sshd.endpoint("openssh"), lane), files=3000)
    cli = move.cli()
    with cli.started("run", "--json", "--until", "seeded") as run:
        assert run.stdout is not None
        for line in run.stdout:
            if '"item.acknowledged"' in line:
                break
        sshd.stop()
        sshd.start_again()
        said = run.stdout.read()
        assert run.wait(90) in (0, 3, 10), said[-2000:]
    arrives(move, cli)


@contextlib.contextmanager
def small_disk(place: Path, account: Account) -> Iterator[None]:
    """A file system of 6 MB at `place` that the account may write."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m,mode=0777", "tmpfs", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.root
@pytest.mark.parametrize("lane", ["sftp", "agent"])
def test_a_disk_that_fills_up_behind_the_server_is_told_and_goes_on_with_room(
    lane: Lane, sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    disk = ground / "disk"
    with small_disk(disk, account):
        write_file(bytes(disk / "ballast"), b"x" * 2_000_000)
        move = Move(tmp_path, tmp_path / "source", disk / "target", local(), remote(sshd.endpoint("openssh"), lane))
        for number in range(5):
            write_file(bytes(move.source / f"file {number}"), os.urandom(700_000))
        cli = move.cli()
        # It is filled while the run is under way: preflight has found enough room by then.
        with cli.started("run", "--json", "--until", "seeded") as run:
            assert run.stdout is not None
            for line in run.stdout:
                if '"step.started"' in line and '"seed"' in line:
                    break
            with contextlib.suppress(OSError):  # ENOSPC is what is wanted
                write_file(bytes(disk / "more"), b"y" * 3_900_000)
            run.stdout.read()
            code = run.wait(60)
        whole = {path.read_bytes() for path in move.source.iterdir()}
        landed = list(move.target.glob("file *"))
        assert all(path.read_bytes() in whole for path in landed), "a partial file under its final name"
        assert code == 3 or (code == 0 and len(landed) == 5)
        (disk / "more").unlink(missing_ok=True)
        (disk / "ballast").unlink()
        arrives(move, cli)


@pytest.mark.root
@pytest.mark.parametrize("role", ["source", "target"])
def test_proftpd_is_a_source_and_a_target(
    role: str, account: Account, client_key: ClientKey, ground: Path, tmp_path: Path
) -> None:
    with running_proftpd(account, client_key) as server:
        make = inward if role == "source" else outward
        move = make(tmp_path, ground, account, remote(server.endpoint()))
        arrives(move, move.cli())
        (move.source / "larger 0").write_bytes(b"changed")
        shutil.rmtree(move.source / os.listdir(move.source)[0], ignore_errors=True)
        give(ground, account)
        move.cli()("run", "--until", "verified", "--yes")
