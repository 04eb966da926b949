"""Commands at a far host with an agent: they end when we give them up, with everything they started."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from migrator.domain.plan import Lane
from migrator.endpoints.contract import OUTPUT_LIMIT_BYTES, Endpoint
from migrator.endpoints.opening import open_endpoint
from tests.support.sshd import Sshd, wait_for


@pytest.fixture(params=["openssh-agent", "paramiko-agent", "openssh-auto"])
def endpoint(request: pytest.FixtureRequest, sshd: Sshd) -> Iterator[Endpoint]:
    ways: dict[str, tuple[Literal["openssh", "paramiko"], Lane]] = {
        "openssh-agent": ("openssh", "agent"),
        "paramiko-agent": ("paramiko", "agent"),
        "openssh-auto": ("openssh", "auto"),
    }
    connector, lane = ways[request.param]
    endpoint = open_endpoint(replace(sshd.endpoint(connector), lane=lane), {})
    yield endpoint
    endpoint.close()


@pytest.mark.parametrize(
    ("argv", "status", "stdout", "stderr"),
    [
        (["sh", "-c", "echo out; echo err >&2; exit 3"], 3, b"out\n", b"err\n"),
        (["printf", "%s|", "$(id)", "a b", "*", "'", "\udcff"], 0, b"$(id)|a b|*|'|\xff|", b""),
        (["cat"], 0, b"", b""),
        (["sh", "-c", "kill -9 $$"], 137, b"", b""),
        (["sh", "-c", "exit 255"], 255, b"", b""),
        (["sh", "-c", "yes | head -n 1"], 0, b"y\n", b""),
        (["migrator-has-no-such-command"], 127, b"", b"migrator-has-no-such-command: not found"),
        (["/etc/passwd"], 126, b"", b"/etc/passwd: Permission denied"),
    ],
)
def test_how_a_command_ends_is_an_answer(
    endpoint: Endpoint, argv: list[str], status: int, stdout: bytes, stderr: bytes
) -> None:
    assert endpoint.run(argv, 20) == (status, stdout, stderr)


def test_output_is_bounded(endpoint: Endpoint) -> None:
    done = endpoint.run(["sh", "-c", "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2"], 20)
    assert (done.status, len(done.stdout), len(done.stderr)) == (0, OUTPUT_LIMIT_BYTES, OUTPUT_LIMIT_BYTES)


def test_a_command_whose_time_is_over_is_gone_with_its_children(endpoint: Endpoint, ground: Path) -> None:
    pids = ground / "pids"
    script = f"trap '' TERM HUP; sleep 1000 & echo $! > {pids}; echo $$ >> {pids}; wait"
    assert endpoint.run(["sh", "-c", script], 4).status is None
    family = [int(pid) for pid in pids.read_text().split()]
    assert len(family) == 2
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family), "the command and its child are gone")
