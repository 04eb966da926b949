"""The end: soak, accept, decommission."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from migrator.endpoints.temp_names import new_temp_name
from tests.support.cli import Cli
from tests.support.moves import NAME, Move, give
from tests.support.plans import application, remote
from tests.support.sshd import Account, Sshd


def plant(root: Path) -> None:
    root.mkdir()
    (root / "folder").mkdir()
    for name in ("one", "folder/two", "cache"):
        (root / name).write_text(f"content of {name}")


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    plant(move.source)
    return move


def accepted(move: Move, *others: dict[str, Any], **more: Any) -> Cli:
    cli = move.cli(*others, **more)
    cli("run", "--yes", "--application", NAME)
    cli("accept", "--application", NAME)
    return cli


def empty(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


def temp_key(cli: Cli) -> bytes:
    with closing(sqlite3.connect(cli.state / "moving-house" / "applications" / f"{NAME}.db")) as raw:
        ((key,),) = raw.execute("SELECT value FROM fact WHERE name = 'temp-key'")
    return bytes.fromhex(key)


def test_a_soak_ends_by_time_and_by_a_yes(move: Move) -> None:
    cli = move.cli(soak="2 h")
    cli("run", "--yes")
    assert "soaks until" in cli("status").stdout
    assert "soaks until" in cli("run", "--json").stdout
    assert "soaks until" in cli("accept", expect=4).stderr
    cli = move.cli(soak="0 s")
    cli("plan", "--accept-changes")
    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}, "time alone accepts nothing"
    cli("accept")
    assert cli.phases() == {NAME: "accepted"}


def test_accepting_removes_what_was_kept_aside_and_nothing_else(move: Move) -> None:
    cli = move.cli()
    cli("run", "--yes")
    aside = move.target / "folder" / new_temp_name(temp_key(cli)).decode()
    aside.write_text("stood here before, and a run was cut off between two renames")
    stranger = move.target / new_temp_name(b"k" * 32).decode()
    stranger.write_text("named by another key")
    outcome = cli("accept")
    assert "1 files that were kept aside" in outcome.stderr
    assert not aside.exists()
    assert stranger.exists()
    assert (move.target / "folder" / "two").read_text() == "content of folder/two"
    cli("accept")


def test_a_source_that_holds_anything_is_not_retired_and_the_list_is_made(move: Move, tmp_path: Path) -> None:
    cli = accepted(move, dataset={"exclude": ["cache"]})
    empty(move.source)
    (move.source / "cache").write_text("left out of the move, and still there")
    out = tmp_path / "out"
    outcome = cli("decommission", "--out", str(out), expect=4)
    assert "holds 1 entries" in outcome.stderr
    assert "files/cache" in outcome.stdout + outcome.stderr
    assert cli.phases() == {NAME: "accepted"}
    found = json.loads((out / f"{NAME}-close-out.json").read_text())
    assert found["source_is_empty"] is False
    assert "holds 1 entries" in (out / f"{NAME}-close-out.md").read_text()

    (move.source / "cache").unlink()
    cli("decommission", "--out", str(out))
    assert cli.phases() == {NAME: "decommissioned"}
    assert json.loads((out / f"{NAME}-close-out.json").read_text())["source_is_empty"] is True
    assert cli("decommission", "--json").events("step.started") == []


def test_a_source_whose_root_is_gone_is_retired(move: Move) -> None:
    cli = accepted(move)
    shutil.rmtree(move.source)
    cli("decommission")
    assert cli.phases() == {NAME: "decommissioned"}


def test_only_what_is_accepted_can_be_decommissioned(move: Move) -> None:
    cli = move.cli()
    cli("run", "--yes")
    empty(move.source)
    assert "only what is accepted" in cli("decommission", expect=4).stderr
    cli("run", "--yes", "--until", "decommissioned", expect=4)
    cli("accept")
    cli("run", "--yes")
    assert cli.phases() == {NAME: "accepted"}, "--yes retires nothing"
    cli("approve", "decommission")
    cli("run")
    assert cli.phases() == {NAME: "decommissioned"}


def test_an_attestation_is_kept_with_its_digest_also_afterwards(move: Move, tmp_path: Path) -> None:
    cli = accepted(move)
    empty(move.source)
    first, second = tmp_path / "letter.pdf", tmp_path / "backups.pdf"
    first.write_bytes(b"%PDF all of it was erased")
    second.write_bytes(b"%PDF and so were the backups")
    cli("decommission", "--attestation", str(first))
    for _ in range(2):
        cli("decommission", "--attestation", str(second), "--out", str(tmp_path / "out"))
    papers = cli.state / "moving-house" / "papers" / NAME
    for path in (first, second):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert (papers / f"attestation-{digest}").read_bytes() == path.read_bytes()
    listed = json.loads((tmp_path / "out" / f"{NAME}-close-out.json").read_text())["attestations"]
    assert [each["name"] for each in listed] == ["letter.pdf", "backups.pdf"]
    assert listed[0]["sha256"] == hashlib.sha256(first.read_bytes()).hexdigest()
    assert listed[0]["sha256"] in (tmp_path / "out" / f"{NAME}-close-out.md").read_text()
    assert "cannot read" in cli("decommission", "--attestation", str(tmp_path / "none"), expect=2).stderr


def test_the_list_names_accounts_keys_copies_and_no_application_of_another_owner(
    sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    end = remote(sshd.endpoint("openssh"), "sftp")
    move = Move(tmp_path, ground / "source", tmp_path / "target", end)
    plant(move.source)
    give(move.source, account)
    same = application("annuaire", f"old:{ground}/other", f"new:{tmp_path}/annuaire-target")
    cli = accepted(move, same)
    plan = cli.plan.read_text()
    assert "imagerie" not in plan
    empty(move.source)
    give(move.source, account)
    cli("decommission", "--application", NAME, "--out", str(tmp_path / "out"))
    found = json.loads((tmp_path / "out" / f"{NAME}-close-out.json").read_text())
    (login,) = found["accounts"]
    assert login["login"].startswith(f"{account.name}@")
    assert login["key"] == end["ssh"]["identity_file"]
    assert login["still_used_by"] == ["annuaire"]
    assert login["is_shared"] is False
    assert all(key.startswith("SHA256:") for key in login["host_keys"])
    assert {copy["where"] for copy in found["copies"]} >= {f"old:{move.source}", f"new:{move.target}"}
    assert all(copy["expires"] for copy in found["copies"])
    assert f"old:{move.source}" in found["erasure_request"]
    assert login["login"] in found["erasure_request"]


def test_a_source_that_lets_nobody_in_counts_only_with_an_attestation(
    sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    end = remote(sshd.endpoint("openssh"), "sftp")
    move = Move(tmp_path, ground / "source", tmp_path / "target", end)
    plant(move.source)
    give(move.source, account)
    cli = accepted(move)
    key = Path(str(end["ssh"]["identity_file"]))
    wrong = key.read_bytes()
    try:
        other = tmp_path / "other"
        from tests.support.sshd import make_key

        key.write_bytes(make_key(other).private.read_bytes())
        outcome = cli("decommission", expect=4)
        assert "refuses the login, and nobody has attested why" in outcome.stderr
        letter = tmp_path / "letter.txt"
        letter.write_text("the account is closed, and all of it erased")
        cli("decommission", "--attestation", str(letter))
    finally:
        key.write_bytes(wrong)
    assert cli.phases() == {NAME: "decommissioned"}
