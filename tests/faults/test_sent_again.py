"""How much crosses the line twice when a run is killed: the server counts, not we."""

from __future__ import annotations

import os
import random
import re
import shlex
import signal
from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.support.moves import NAME, Move, give
from tests.support.plans import local, remote
from tests.support.sshd import Account, ClientKey, Setup, descendants, running_sshd, wait_for
from tests.support.trees import differences

MB = 1_000_000
GROUP_BYTES = 8 * 1024 * 1024  # the most one commit group holds, and the most one mover has in its hands
LARGEST = 2 * MB
TREE_BYTES = 120 * MB
KILLS = 3

# OpenSSH's own count of what it gave out of each file, also for one that was open when the line was cut.
_CLOSED = re.compile(rb'close "[^"]*" bytes read (\d+) written \d+')


def plant(source: Path, account: Account) -> int:
    """Files of 20 kB to 2 MB; how many bytes in all."""
    chance = random.Random(7)
    size_bytes = 0
    while size_bytes < TREE_BYTES:
        file = source / f"folder {size_bytes % 9}" / f"file {size_bytes}"
        file.parent.mkdir(parents=True, exist_ok=True)
        size = chance.choice([20_000, 200_000, LARGEST])
        file.write_bytes(chance.randbytes(size))
        size_bytes += size
    give(source, account)
    return size_bytes


def counting_server(account: Account, client_key: ClientKey, log: Path) -> Setup:
    """A server that writes down every file it has read; the account must be able to append to `log`."""
    log.touch()
    log.chmod(0o666)
    program = log.with_name("counting-sftp-server")
    program.write_text(f"#!/bin/sh\nexec /usr/lib/openssh/sftp-server -e -l INFO 2>>{shlex.quote(str(log))}\n")
    program.chmod(0o755)
    return Setup(account, client_key, subsystem=str(program))


def bytes_read(log: Path) -> int:
    return sum(int(count) for count in _CLOSED.findall(log.read_bytes()))


def kill_after(cli: Cli, lines: int) -> int:
    """Kill the run once it has told that many acknowledged items; how many movers it had."""
    with cli.started("run", "--json", "--until", "seeded") as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines -= '"item.acknowledged"' in line
            if lines <= 0:
                break
        movers = [pid for pid in descendants(process.pid) if "movers.worker" in command_of(pid)]
        os.kill(process.pid, signal.SIGKILL)
        process.stdout.read()
        process.wait(60)
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in movers), "the movers leave")
    return len(movers)


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except FileNotFoundError:
        return ""


@pytest.mark.timeout(300)
def test_what_is_sent_again_stays_within_what_movers_hold_and_one_commit_group(
    account: Account, client_key: ClientKey, ground: Path, tmp_path: Path
) -> None:
    source, target, log = ground / "source", ground / "target", ground / "log"
    size_bytes = plant(source, account)
    with running_sshd(counting_server(account, client_key, log)) as server:
        move = Move(tmp_path, source, target, remote(server.endpoint("openssh")), local())
        cli = move.cli()
        allowed = 0
        for _ in range(KILLS):
            movers = kill_after(cli, lines=40)
            assert movers, "the run was over before it could be killed"
            allowed += movers * GROUP_BYTES + GROUP_BYTES
        cli("run", "--until", "seeded", timeout_seconds=120)
        wait_for(lambda: not server.sessions(), "every session writes its last line")

        assert cli.phases() == {NAME: "seeded"}
        assert differences(source, target, nanoseconds=False) == []
        again = bytes_read(log) - size_bytes
        assert 0 <= again <= allowed < size_bytes, f"{again / MB:.1f} MB were read twice, {allowed / MB:.1f} MB may be"
