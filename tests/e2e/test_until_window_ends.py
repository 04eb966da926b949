"""`run --until-window-ends`: what is seeded stays fresh up to the last minute, and the run ends by itself."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.cli import Cli
from tests.support.clocks import set_to
from tests.support.moves import NAME, Move
from tests.support.trees import build_many, differences


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_many(bytes(move.source), 5)
    return move


def with_window(move: Move, to: str) -> Cli:
    cli = move.cli()
    text = cli.plan.read_text(encoding="utf-8")
    cli.plan.write_text(text.replace("- name: july\n", f"- name: july\n  window: {{to: {to}}}\n"), encoding="utf-8")
    return cli


def test_what_is_written_while_it_waits_arrives_before_the_window_ends(move: Move, tmp_path: Path) -> None:
    cli = with_window(move, "2018-07-28")
    late = dt.datetime(2018, 7, 28, 23, 59, 35, tzinfo=dt.UTC)
    night = replace(cli, environment=set_to(late, tmp_path / "clock"))
    with night.started("run", "--until-window-ends", "--json") as run:
        assert run.stdout is not None
        for line in run.stdout:
            event = json.loads(line)
            if event["event"] == "step.ended" and event["step"] == "seed":
                (move.source / "new").write_bytes(b"since the seed")
        assert run.wait(60) == 5
    assert cli.phases() == {NAME: "seeded"}
    assert differences(move.source, move.target) == []
    assert not move.frozen.exists()


def test_a_window_without_an_end_is_refused(move: Move) -> None:
    cli = move.cli()
    assert "neither the window" in cli("run", "--until-window-ends", expect=2).stderr
    assert not cli.state.exists()
