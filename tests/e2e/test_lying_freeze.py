"""A freeze hook that exits 0, a probe that says yes, and an application that goes on writing: no switch, ever."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.support.cli import Cli
from tests.support.moves import NAME, Move, give
from tests.support.plans import local, remote
from tests.support.sshd import Account, Sshd
from tests.support.trees import differences
from tests.support.writers import ADDS, APPENDS, OVERWRITES, writing

Lane = Literal["local", "sftp", "agent"]
WRITERS = {"appends": APPENDS, "overwrites": OVERWRITES, "adds": ADDS}
FILE = "log"


@dataclass(frozen=True)
class Ground:
    """Where a source can be planted, whichever way it will be reached."""

    sshd: Sshd
    account: Account
    ground: Path
    folder: Path

    @property
    def begun(self) -> Path:
        return self.folder / "begun"

    def planted(self, lane: Lane) -> Move:
        end = local() if lane == "local" else remote(self.sshd.endpoint("openssh"), lane)
        move = Move(self.folder, self.ground / "source", self.folder / "target", end)
        move.source.mkdir()
        for name in (FILE, "still", "quiet"):
            (move.source / name).write_text(f"content of {name}")
        give(move.source, self.account)
        return move


@pytest.fixture
def site(sshd: Sshd, account: Account, ground: Path, tmp_path: Path) -> Ground:
    return Ground(sshd, account, ground, tmp_path)


def proving(move: Move, proof: str | None) -> Cli:
    return move.cli(dataset={"proof": proof} if proof else {})


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    ("lane", "proof"), [("local", None), ("agent", None), ("agent", "hash"), ("sftp", None), ("sftp", "hash")]
)
def test_an_application_that_writes_on_is_found_out_and_named(
    writer: str, lane: Lane, proof: str | None, site: Ground
) -> None:
    move = site.planted(lane)
    cli = proving(move, proof)
    cli("run", "--until", "seeded")
    with writing(WRITERS[writer], move.source / FILE, site.begun):
        outcome = cli("run", "--yes", expect=4)
    assert move.frozen.exists(), "the hook said so, and the probe as well"
    assert FILE in outcome.stderr
    assert "FROZEN for" in outcome.stderr
    assert "roll-back" in outcome.stderr
    assert move.is_untouched

    give(move.source, site.account)
    cli("run", "--yes")
    assert move.is_switched_over, "once it really is quiet, the same command goes on"
    assert differences(move.source, move.target, nanoseconds=lane != "sftp") == []


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(("lane", "proof"), [("agent", None), ("agent", "hash"), ("sftp", None)])
def test_one_that_begins_after_the_verification_is_found_out_by_the_second_scan(
    writer: str, lane: Lane, proof: str | None, site: Ground
) -> None:
    move = site.planted(lane)
    cli = proving(move, proof)
    cli("run", "--until", "verified", "--yes")
    with writing(WRITERS[writer], move.source / FILE, site.begun):
        outcome = cli("run", "--yes", expect=4)
    assert f"files/{FILE}" in outcome.stderr
    assert cli.phases() == {NAME: "frozen"}
    assert move.is_untouched


def test_by_size_and_time_alone_such_a_write_cannot_be_seen_and_the_evidence_says_how_it_was_looked_for(
    site: Ground,
) -> None:
    """Why the default over SFTP is `hash`: what is told by `stat` there stands in the record of the proof."""
    move = site.planted("sftp")
    cli = proving(move, None)
    cli("run", "--yes")
    (proof,) = proofs(cli)
    assert proof["source_read"] == "hash"
    assert proof["scan_before"] < proof["scan_after"]


def proofs(cli: Cli) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(cli.state / "moving-house" / "applications" / f"{NAME}.db")) as raw:
        raw.row_factory = sqlite3.Row
        return [dict(row) for row in raw.execute("SELECT * FROM proof ORDER BY id")]
