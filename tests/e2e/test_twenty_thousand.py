"""The size of a real move: 20,000 files as they lie on a Debian machine, from accounts as providers give them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.moves import NAME, Move, footprint, give
from tests.support.plans import remote
from tests.support.sshd import Account, ClientKey, Setup, running_sshd
from tests.support.trees import build_many, differences

FILES = 20_000
FEWER = 4_000  # where it is the account that matters
LARGEST = 256 * 1024  # single large files have tests of their own
PLACES = ("/usr/share", "/usr/lib/python3", "/usr/lib/python3.11", "/usr/lib/python3.12", "/usr/lib/python3.13")


def real_files() -> Iterator[str]:
    for place in PLACES:
        for folder, _, files in os.walk(place):
            yield from (os.path.join(folder, name) for name in files)


def plant(source: Path, account: Account, files: int) -> None:
    """Copy real files until there are enough, and make up the rest where the machine is a small one."""
    count = 0
    for path in real_files():
        if not os.path.islink(path) and not (os.path.isfile(path) and os.path.getsize(path) <= LARGEST):
            continue
        place = f"{source}{path}"
        os.makedirs(os.path.dirname(place), exist_ok=True)
        shutil.copy2(path, place, follow_symlinks=False)
        count += not os.path.islink(path)
        if count == files:
            break
    build_many(bytes(source / "made up"), files - count + 1)
    give(source, account)


@pytest.mark.root
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "files"), [("with a shell", FEWER), ("chrooted and read-only", FILES)])
def test_twenty_thousand_files_move_are_verified_and_switched_over(
    kind: str, files: int, account: Account, client_key: ClientKey, ground: Path, tmp_path: Path
) -> None:
    source = ground / "source"
    plant(source, account, files)
    untouched = footprint(source)
    is_chrooted = kind.startswith("chrooted")
    lines = account.jailed(read_only=True) if is_chrooted else ()
    with running_sshd(Setup(account, client_key, lines=lines)) as server:
        end = remote(server.endpoint("openssh"))
        seen_there = f"/data/{source.relative_to(account.data)}" if is_chrooted else str(source)
        move = Move(tmp_path, source, tmp_path / "target", end, source_path=seen_there)
        cli = move.cli()
        cli("run", "--yes", timeout_seconds=400)

        assert cli.phases() == {NAME: "switched-over"}
        assert move.is_switched_over
        assert differences(source, move.target, nanoseconds=False) == []
        assert footprint(source) == untouched
        counts = cli.applications()[NAME]["counts"]
        assert counts["verified"] == sum(counts.values()) > files
