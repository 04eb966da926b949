"""Approvals that take more than a yes: signatures, two people, and exactly what was copied."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.cli import Cli
from tests.support.moves import NAME, Move
from tests.support.sshd import make_key
from tests.support.trees import build_nasty

NAMESPACE = "migrator-approval"


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_nasty(bytes(move.source))
    return move


def allowed_line(key: Path, principal: str, options: str = "") -> str:
    kind, blob, *_ = key.with_suffix(".pub").read_text().split()
    return f"{principal} {options}{' ' if options else ''}{kind} {blob}\n"


def owned(move: Move, *allowed: str, **more: bool) -> Cli:
    """The command line for a plan whose owner has these approvers."""
    cli = move.cli(owner="aphp", two_person=more.get("two_person", False))
    (move.folder / "allowed_signers").write_text("".join(allowed))
    plan = yaml.safe_load(cli.plan.read_text())
    plan["owners"] = {"aphp": {"name": "AP-HP", "approvers": ["allowed_signers"]}}
    cli.plan.write_text(json.dumps(plan))
    return cli


def key_of(tmp_path: Path, name: str) -> Path:
    return make_key(tmp_path / name).private


def test_a_switch_of_an_owner_with_approvers_needs_a_signature(move: Move, tmp_path: Path) -> None:
    doctor, stranger = key_of(tmp_path, "doctor"), key_of(tmp_path, "stranger")
    cli = owned(move, allowed_line(doctor, "ada@aphp.example"))
    cli("run", "--yes")
    assert cli.phases() == {NAME: "verified"}, "--yes replaces no signature"
    assert move.is_untouched
    assert "signed by an approver" in cli("status").stdout
    assert "needs a signature" in cli("approve", "switch-over", expect=4).stderr
    assert "not one of the approvers" in cli("approve", "switch-over", "--key", str(stranger), expect=4).stderr
    cli("run", "--yes", "--until", "switched-over", expect=4)
    assert move.is_untouched
    cli("approve", "switch-over", "--key", str(doctor))
    cli("run")
    assert cli.phases() == {NAME: "switched-over"}
    assert move.is_switched_over


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        (f'namespaces="{NAMESPACE}"', True),
        ('namespaces="file"', False),
        ('valid-before="20180101"', False),
        ('valid-after="20180101"', True),
    ],
)
def test_the_limits_of_the_allowed_signers_hold(move: Move, tmp_path: Path, options: str, counts: bool) -> None:
    doctor = key_of(tmp_path, "doctor")
    cli = owned(move, allowed_line(doctor, "ada@aphp.example", options))
    cli("approve", "switch-over", "--key", str(doctor), expect=0 if counts else 4)


def test_an_approver_who_is_struck_off_counts_no_longer(move: Move, tmp_path: Path) -> None:
    doctor = key_of(tmp_path, "doctor")
    cli = owned(move, allowed_line(doctor, "ada@aphp.example"))
    cli("approve", "switch-over", "--key", str(doctor))
    (move.folder / "allowed_signers").write_text("")
    cli("run", "--yes")
    assert cli.phases() == {NAME: "verified"}
    assert move.is_untouched


def test_a_signature_can_be_made_elsewhere(move: Move, tmp_path: Path) -> None:
    doctor = key_of(tmp_path, "doctor")
    cli = owned(move, allowed_line(doctor, "ada@aphp.example"))
    request = tmp_path / "request.txt"
    cli("approve", "switch-over", "--request", str(request), "--not-after", "2999-01-01T00:00")
    assert "gate: switch-over\n" in request.read_text()
    assert "does not exist yet" in cli("approve", "switch-over", "--request", str(request), expect=2).stderr
    assert "request.txt.sig" in cli("approve", "switch-over", "--import", str(request), expect=2).stderr
    command = ["ssh-keygen", "-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(doctor), str(request)]
    subprocess.run(command, check=True, capture_output=True)

    changed = tmp_path / "changed.txt"
    changed.write_text(request.read_text().replace("2999-", "3999-"))
    shutil.copy(f"{request}.sig", f"{changed}.sig")
    assert "not one of the approvers" in cli("approve", "switch-over", "--import", str(changed), expect=4).stderr
    torn = tmp_path / "torn.txt"
    torn.write_text(request.read_text().replace("manifest: any\n", ""))
    shutil.copy(f"{request}.sig", f"{torn}.sig")
    assert "not the request" in cli("approve", "switch-over", "--import", str(torn), expect=2).stderr

    cli("approve", "switch-over", "--import", str(request))
    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}


def test_a_request_for_a_plan_that_changed_is_not_taken_in(move: Move, tmp_path: Path) -> None:
    doctor = key_of(tmp_path, "doctor")
    cli = owned(move, allowed_line(doctor, "ada@aphp.example"))
    request = tmp_path / "request.txt"
    cli("approve", "switch-over", "--request", str(request))
    command = ["ssh-keygen", "-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(doctor), str(request)]
    subprocess.run(command, check=True, capture_output=True)
    plan = yaml.safe_load(cli.plan.read_text())
    plan["waves"][0]["applications"][0]["datasets"][0]["exclude"] = ["*.tmp"]
    cli.plan.write_text(json.dumps(plan))
    assert "another state of the plan" in cli("approve", "switch-over", "--import", str(request), expect=7).stderr


def test_two_people_are_two_people(move: Move, tmp_path: Path) -> None:
    ada, bob = key_of(tmp_path, "ada"), key_of(tmp_path, "bob")
    cli = owned(move, allowed_line(ada, "ada"), allowed_line(bob, "bob"), two_person=True)
    cli("approve", "switch-over", "--key", str(ada))
    cli("approve", "switch-over", "--key", str(ada))
    cli("run", "--yes")
    assert cli.phases() == {NAME: "verified"}, "one person who says it twice is one person"
    assert "by two people" in cli("status").stdout
    cli("approve", "switch-over", "--key", str(bob))
    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}


def test_the_operator_alone_is_not_two_people(move: Move) -> None:
    cli = move.cli(two_person=True)
    cli("approve", "switch-over")
    cli("run", "--yes")
    cli("run", "--yes")
    assert cli.phases() == {NAME: "verified"}
    assert move.is_untouched


def test_an_exact_approval_is_for_what_was_verified(move: Move) -> None:
    cli = move.cli(approval="exact")
    assert "not verified yet" in cli("approve", "switch-over", expect=4).stderr
    cli("run", "--yes", "--until", "verified")
    cli("approve", "switch-over")
    (move.source / "late").write_text("written under freeze")
    cli("run", expect=4)
    assert cli.phases() == {NAME: "frozen"}
    cli("run")
    assert cli.phases() == {NAME: "verified"}, "what was approved is not what is there now"
    assert move.is_untouched
    cli("approve", "switch-over")
    cli("run")
    assert cli.phases() == {NAME: "switched-over"}
