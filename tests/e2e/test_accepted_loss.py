"""Falling back at a loss: listed, approved as a switch is, exactly for that list, and recorded."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from migrator.domain.plan import Lane
from migrator.journal.application import ApplicationView
from migrator.journal.folder import StateFolder
from tests.support.cli import Cli
from tests.support.moves import NAME, Move, footprint
from tests.support.plans import flag_freeze, remote
from tests.support.sshd import Account, Sshd, make_key
from tests.support.trees import differences
from tests.support.users import CHANGED, CREATED, DELETED, live, plant

NAMESPACE = "migrator-approval"


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    plant(move.source)
    return move


def switched(cli: Cli) -> Cli:
    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}
    return cli


def owned(move: Move, key: Path) -> Cli:
    """The command line, users at the target, for an application whose owner has an approver with that key."""
    cli = move.cli(owner="aphp")
    allowed = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    (move.folder / "allowed_signers").write_text(f"ada@aphp.example {allowed}\n")
    plan = yaml.safe_load(cli.plan.read_text())
    plan["owners"] = {"aphp": {"name": "AP-HP", "approvers": ["allowed_signers"]}}
    cli.plan.write_text(json.dumps(plan))
    cli("run", "--yes")
    cli("approve", "switch-over", "--key", str(key))
    return switched(cli)


def is_home(move: Move, cli: Cli) -> bool:
    return cli.phases() == {NAME: "seeded"} and move.is_untouched and not move.frozen.exists()


def lost(cli: Cli) -> dict[bytes, str]:
    """What the journal says was given up."""
    folder = StateFolder(cli.state, "moving-house")
    with closing(sqlite3.connect(f"file:{folder.database(NAME)}?mode=ro", uri=True)) as database:
        return dict(database.execute("SELECT path, what FROM lost_item"))


def test_what_is_lost_is_listed_and_recorded_and_the_source_untouched(move: Move) -> None:
    cli = switched(move.cli())
    before = footprint(move.source)
    live(move.target)
    outcome = cli("fall-back", "--accept-loss", expect=4)
    assert "accept-loss" in outcome.stderr
    assert move.is_switched_over
    outcome = cli("fall-back", "--accept-loss", "--yes", "--json")
    (changes,) = outcome.events("target.changes")
    assert (changes["created"], changes["changed"], changes["deleted"]) == (CREATED, CHANGED, DELETED)
    assert outcome.events("item.acknowledged") == []
    assert is_home(move, cli)
    assert footprint(move.source) == before
    recorded = lost(cli)
    assert len(recorded) == CREATED + CHANGED + DELETED
    assert recorded[b"new/deeper/upload 000"] == "created"
    assert recorded[b"folder 1/file 001"] == "changed"
    assert recorded[b"folder 2/file 128"] == "deleted"
    view = ApplicationView.open(StateFolder(cli.state, "moving-house"), NAME)
    assert view is not None
    with view:
        assert view.check_chain() == []

    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}
    assert (move.target / "new" / "deeper" / "upload 000").exists(), "what only the target has is never deleted"
    shutil.rmtree(move.target / "new")
    found = [line for line in differences(move.source, move.target, nanoseconds=True) if "b''" not in line]
    assert found == []


def test_it_is_not_asked_for_where_nothing_is_lost(move: Move) -> None:
    cli = switched(owned(move, make_key(move.folder / "doctor").private))
    cli("fall-back", "--accept-loss", "--yes")
    assert is_home(move, cli)


def test_with_approvers_it_takes_a_signature_for_exactly_that_list(move: Move) -> None:
    doctor, stranger = make_key(move.folder / "doctor").private, make_key(move.folder / "stranger").private
    cli = owned(move, doctor)
    assert "nothing is listed" in cli("approve", "accept-loss", "--key", str(doctor), expect=4).stderr
    (move.target / "upload").write_text("by a user")
    outcome = cli("fall-back", "--accept-loss", "--yes", expect=4)
    assert "signed by an approver" in outcome.stderr
    assert move.is_switched_over
    assert "needs a signature" in cli("approve", "accept-loss", expect=4).stderr
    assert "not one of the approvers" in cli("approve", "accept-loss", "--key", str(stranger), expect=4).stderr
    cli("approve", "switch-over", "--key", str(doctor))
    cli("fall-back", "--accept-loss", "--yes", expect=4)  # that is another gate
    cli("approve", "accept-loss", "--key", str(doctor))
    (move.target / "more").write_text("written after the approval")
    cli("fall-back", "--accept-loss", "--yes", expect=4)
    assert move.is_switched_over, "what was approved is not what would be lost"
    (move.target / "more").unlink()
    cli("fall-back", "--accept-loss")
    assert is_home(move, cli)
    assert lost(cli) == {b"upload": "created"}


def test_the_signature_can_be_made_elsewhere(move: Move) -> None:
    doctor = make_key(move.folder / "doctor").private
    cli = owned(move, doctor)
    (move.target / "upload").write_text("by a user")
    listed = cli("fall-back", "--accept-loss", "--json", expect=4)
    request = move.folder / "request.txt"
    cli("approve", "accept-loss", "--request", str(request))
    assert "gate: accept-loss\n" in request.read_text()
    assert f"manifest: sha256:{listed.events('target.changes')[0]['digest']}\n" in request.read_text()
    command = ["ssh-keygen", "-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(doctor), str(request)]
    subprocess.run(command, check=True, capture_output=True)
    cli("approve", "accept-loss", "--import", str(request))
    cli("fall-back", "--accept-loss")
    assert is_home(move, cli)


def test_two_people_must_agree_where_they_must_for_the_switch(move: Move) -> None:
    cli = move.cli(two_person=False)
    switched(cli)
    cli = move.cli(two_person=True)
    cli("plan", "--accept-changes")
    (move.target / "upload").write_text("by a user")
    assert "by two people" in cli("fall-back", "--accept-loss", "--yes", expect=4).stderr
    assert move.is_switched_over


def test_what_is_written_after_the_list_was_made_is_not_given_up(move: Move) -> None:
    freeze = flag_freeze(move.folder / "closed")
    freeze["apply"] = ["sh", "-c", f'echo x > "{move.target}/late"; touch "{move.folder}/closed"']
    cli = switched(move.cli(fall_back={"freeze": freeze}))
    (move.target / "upload").write_text("by a user")
    outcome = cli("fall-back", "--accept-loss", "--yes", expect=4)
    assert "files/late: created" in outcome.stdout
    assert move.is_switched_over
    cli("fall-back", "--accept-loss", "--yes")
    assert is_home(move, cli)
    assert lost(cli) == {b"late": "created", b"upload": "created"}


@pytest.mark.parametrize(("is_there", "code", "said"), [(False, 10, "No such file"), (True, 8, "suddenly empty")])
def test_a_target_that_is_gone_can_be_left(move: Move, is_there: bool, code: int, said: str) -> None:
    cli = switched(move.cli())
    shutil.rmtree(move.target)
    if is_there:
        move.target.mkdir()
    assert said in cli("fall-back", "--yes", expect=code).stderr
    assert "unknown" in cli("fall-back", "--accept-loss", expect=4).stderr
    cli("fall-back", "--accept-loss", "--yes")
    assert is_home(move, cli)
    assert lost(cli) == {b"": "unknown"}


@pytest.mark.parametrize("lane", ["agent", "sftp"])
def test_a_target_that_does_not_answer_can_be_left(
    lane: Lane, sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    end = remote(sshd.endpoint("openssh"), lane)
    move = Move(tmp_path, tmp_path / "source", ground / "target", target_end=end)
    plant(move.source)
    cli = switched(move.cli())
    sshd.kill_sessions()
    sshd.stop()
    cli("fall-back", "--yes", expect=10)
    assert "unknown" in cli("fall-back", "--accept-loss", expect=4).stderr
    cli("fall-back", "--accept-loss", "--yes")
    assert is_home(move, cli)
    assert lost(cli) == {b"": "unknown"}


def test_a_loss_can_be_accepted_although_the_source_could_be_written(move: Move) -> None:
    cli = switched(move.cli(fall_back={"source_write": True}))
    before = footprint(move.source)
    live(move.target)
    cli("fall-back", "--accept-loss", "--yes")
    assert is_home(move, cli)
    assert footprint(move.source) == before
