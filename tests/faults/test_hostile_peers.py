"""Servers and agents that lie, a few of each kind; `make torture` has them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import hostile_agent, hostile_sftp
from tests.faults.hostile_run import hostile_run, site
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


def test_lies_that_were_once_believed_are_not_any_more(tmp_path: Path) -> None:
    lies: list[hostile_sftp.Behaviour | hostile_agent.Behaviour] = [
        hostile_sftp.BEHAVIOURS["a name of 60 kB"],
        hostile_agent.BEHAVIOURS["a name of 900 kB"],
        hostile_agent.BEHAVIOURS["no content for ever"],
        hostile_agent.BEHAVIOURS["no digests for ever"],
    ]
    with site(tmp_path) as place:
        assert [violation for lie in lies for violation in hostile_run(place, lie)[1]] == []
