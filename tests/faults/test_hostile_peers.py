"""Servers and agents that lie, a few of each kind; `make torture` has them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import hostile_agent, hostile_sftp
from torture.hostile_peers import lying_agents, lying_servers
from torture.rows import Options

STRIDE = 12


def test_there_are_as_many_lies_as_promised() -> None:
    assert len(hostile_sftp.BEHAVIOURS) >= 60
    assert len(hostile_agent.BEHAVIOURS) >= 30


@pytest.mark.timeout(240)
@pytest.mark.parametrize("lies", [lying_servers, lying_agents])
def test_a_peer_that_lies_gets_nothing_out_of_us(lies: object, tmp_path: Path) -> None:
    assert callable(lies)
    outcome = lies(Options(tmp_path, stride=STRIDE))
    assert outcome.violations == ()
    assert outcome.tried >= 2
