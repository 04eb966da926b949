"""What a freeze hook itself writes, as a dump of a database does, moves with the final sync of the same run."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.domain.plan import Lane
from tests.support.moves import NAME, Move, give
from tests.support.plans import flag_freeze, remote
from tests.support.sshd import Account, Sshd
from tests.support.trees import build_many, differences


@pytest.mark.parametrize("lane", ["sftp", "agent"])
def test_a_dump_made_by_the_freeze_moves_at_once(
    lane: Lane, sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    source = ground / "source"
    move = Move(tmp_path, source, tmp_path / "target", source_end=remote(sshd.endpoint("openssh"), lane))
    build_many(bytes(source), 3)
    give(source, account)
    freeze = flag_freeze(move.frozen)
    freeze["apply"] = ["sh", "-c", f'for n in 1 2 3; do echo "$n" > "{source}/dump $n"; done; touch "{move.frozen}"']
    cli = move.cli(freeze=freeze)
    cli("run", "--until", "seeded")
    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}
    assert differences(source, move.target, nanoseconds=lane == "agent") == []
