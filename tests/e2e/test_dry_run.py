"""`run --dry-run` writes nothing anywhere, and says of each item what would become of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.support.moves import NAME, Move, footprint, give
from tests.support.plans import remote
from tests.support.sshd import Account, Sshd
from tests.support.trees import build_many


@pytest.fixture(params=["here", "agent", "sftp"])
def move(request: pytest.FixtureRequest, ground: Path, account: Account, tmp_path: Path) -> Move:
    """Both sides on this machine, or behind sshd over either lane."""
    (ground / "targets").mkdir()
    build_many(bytes(ground / "source"), 12)
    give(ground, account)
    if request.param == "here":
        return Move(tmp_path, ground / "source", ground / "targets" / "target")
    sshd: Sshd = request.getfixturevalue("sshd")
    end = remote(sshd.endpoint("openssh"), request.param)
    return Move(tmp_path, ground / "source", ground / "targets" / "target", end, end)


def kept(state: Path) -> dict[Path, tuple[bytes, int]]:
    """Every file of the state, its content and its mtime; but for the marks that readers of SQLite leave in memory."""
    files = [path for path in state.rglob("*") if path.is_file() and path.suffix != ".db-shm"]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files if path.stat().st_size}


def words(cli: Cli, *options: str) -> Counter[str]:
    said = cli("run", "--dry-run", "--json", *options).events("prospect")
    assert {each["application"] for each in said} == {NAME}
    return Counter(str(each["word"]) for each in said)


def test_nothing_is_written_at_either_end_nor_in_the_state(move: Move, ground: Path) -> None:
    cli = move.cli(switch=[])
    before = footprint(ground)
    first = words(cli, "--yes")
    assert footprint(ground) == before
    assert not cli.state.exists()
    assert not move.frozen.exists()
    assert first["would do"] >= 6
    cli("run", "--until", "seeded")
    (move.source / "new").write_bytes(b"since the seed")
    before, state = footprint(ground), kept(cli.state)
    words(cli)
    assert footprint(ground) == before
    assert kept(cli.state) == state


def test_the_three_words_follow_what_is_left(tmp_path: Path) -> None:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_many(bytes(move.source), 5)
    cli = move.cli()
    shown = cli("run", "--dry-run").stdout
    assert f"would do: {NAME}: seed: copy everything" in shown
    assert f"cannot know: {NAME}: gate freeze: whether it is approved" in shown
    assert f"would do: {NAME}: dataset files: copy " in shown
    cli("run", "--until", "seeded")
    assert f"nothing to do: {NAME}: dataset files: " in cli("run", "--dry-run").stdout
    cli("run", "--yes")
    cli("accept")
    assert words(cli) == {"nothing to do": 1}
