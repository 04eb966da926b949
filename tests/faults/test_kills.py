"""SIGKILL at moments that nobody chose: the same command goes on, and ends in the same tree."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.support.cli import Cli
from tests.support.moves import NAME, Move, give
from tests.support.plans import Mapped, local, remote
from tests.support.sshd import Account, Sshd, descendants, wait_for
from tests.support.trees import build_many, build_nasty, differences, set_folder_times

KILLS = 10
FILES = 1500
Connector = Literal["openssh", "paramiko"]
CONNECTORS: dict[str, Connector] = {"openssh": "openssh", "paramiko": "paramiko"}


def plant(source: Path, account: Account) -> None:
    build_nasty(bytes(source))
    build_many(bytes(source / "many"), FILES)
    for number in range(0, FILES, 5):  # further names, in other folders
        first = source / "many" / f"folder {number // 100:04}" / f"file {number:06}"
        os.link(first, source / "many" / f"folder {(number + 7 * 100) % FILES // 100:04}" / f"name {number:06}")
    (source / "modes" / "000").chmod(0o400)
    set_folder_times(bytes(source))
    give(source, account)


def end_of(word: str, server: Sshd) -> Mapped:
    return local() if word == "local" else remote(server.endpoint(CONNECTORS[word]))


def run_and_kill(cli: Cli, chance: random.Random) -> tuple[list[dict[str, Any]], bool]:
    """Start the run and kill it after some of its lines; what it had said, and whether it was still at work."""
    said = []
    after = chance.choice([chance.randint(0, 12), chance.randint(0, 2 * FILES // KILLS)])
    with cli.started("run", "--yes", "--json") as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if len(said) > after:
                break
        movers = descendants(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        said += process.stdout.read().splitlines()
        was_at_work = process.wait(60) == -signal.SIGKILL
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in movers), "the movers leave")
    return [json.loads(line) for line in said if line.endswith(("}", "}\n"))], was_at_work


def files_acknowledged(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == "item.acknowledged" and event["kind"] == "file"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["local-to-local", "openssh-to-local", "local-to-paramiko"])
def test_killed_again_and_again_it_ends_in_the_same_tree(
    way: str, sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    source, target = ground / "source", ground / "target"
    plant(source, account)
    source_end, target_end = (end_of(word, sshd) for word in way.split("-to-"))
    move = Move(tmp_path, source, target, source_end, target_end)
    cli = move.cli()
    chance = random.Random(way)

    durable: set[str] = set()
    kills = 0
    for _ in range(KILLS):
        events, was_at_work = run_and_kill(cli, chance)
        kills += was_at_work
        for event in files_acknowledged(events):
            assert event["path_b64"] not in durable, f"{event['path']} was durable, and was sent again"
            durable.add(event["path_b64"])
    outcome = cli("run", "--yes", "--json", timeout_seconds=120)

    assert durable.isdisjoint(event["path_b64"] for event in files_acknowledged(outcome.lines()))
    assert kills > KILLS // 2, "the run was over before it could be killed"
    assert cli.phases() == {NAME: "switched-over"}
    sees_everything = way == "local-to-local"
    assert differences(source, target, nanoseconds=sees_everything, everything=sees_everything) == []
    assert move.is_switched_over
    assert {item["class"] for item in cli.items()} == {"verified"}
    assert list(ground.rglob(".migrator-[0-9a-f]*-*")) == [], "temp files stayed behind"
