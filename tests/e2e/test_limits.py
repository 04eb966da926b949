"""`migrator limit`: the rate of an endpoint, changed from another terminal while a run is under way."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from tests.support.cli import Cli
from tests.support.moves import Move
from tests.support.sshd import wait_for
from tests.support.trees import differences

SIZE_BYTES = 12_000_000


def prepared(folder: Path, rate: str) -> tuple[Move, Cli]:
    end = {"local": True, "limits": {"bandwidth": rate}}
    move = Move(folder, folder / "source", folder / "target", source_end=end)
    move.source.mkdir()
    for number in range(12):
        (move.source / f"file-{number}").write_bytes(os.urandom(SIZE_BYTES // 12))
    script = f"while ! test -e {folder}/go; do sleep 0.05; done; touch {move.frozen}"
    freeze = {**move.application()["freeze"], "apply": ["sh", "-c", script]}
    return move, move.cli(freeze=freeze)


def limits(cli: Cli) -> list[dict[str, object]]:
    (report,) = cli("status", "--json").events("wave.report")
    found = report["limits"]
    assert isinstance(found, list)
    return found


def test_a_rate_is_raised_while_a_run_is_under_way(tmp_path: Path) -> None:
    move, cli = prepared(tmp_path, "100 kB/s")  # two minutes
    assert limits(cli) == []
    with cli.started("run", "--yes", "--json") as run:
        assert run.stdout is not None
        for line in run.stdout:
            if json.loads(line)["event"] == "work.found":
                break
        told = cli("limit", "--json", *("old", "200MB/s")).lines()
        assert [(line["event"], line["endpoint"], line["bytes_per_second"]) for line in told] == [
            ("limit.set", "old", 200_000_000)
        ]
        (limit,) = limits(cli)
        assert limit["endpoint"] == "old"
        assert "200 MB/s until the runs under way have ended" in " ".join(cli("status").stdout.split())
        (tmp_path / "go").touch()
        notes = [line for line in run.stdout if "200 MB/s" in line]
        assert run.wait(60) == 0
    assert len(notes) == 1
    assert differences(move.source, move.target) == []
    assert limits(cli) == [], "it counts for the runs under way"
    cli("limit", "old", "1MB/s", expect=4)


def test_what_a_killed_run_was_told_does_not_count_for_the_next(tmp_path: Path) -> None:
    move, cli = prepared(tmp_path, "100 kB/s")
    with cli.started("run", "--yes", "--json") as run:
        assert run.stdout is not None
        assert json.loads(run.stdout.readline())["event"] == "run.started"
        cli("limit", "old", "1kB/s")
        os.kill(run.pid, signal.SIGKILL)
        run.wait(60)
    assert limits(cli) == []
    with cli.started("run", "--yes") as run:
        wait_for(lambda: not list((cli.state / "moving-house" / "limits").iterdir()), "the old limit is gone")
        cli("limit", "old", "none")
        (tmp_path / "go").touch()
        assert run.wait(60) == 0
    assert differences(move.source, move.target) == []


def test_what_cannot_be_a_limit_is_refused(tmp_path: Path) -> None:
    _, cli = prepared(tmp_path, "1 MB/s")
    assert "did you mean `old`?" in cli("limit", "odl", "1MB/s", expect=2).stderr
    assert "must be a rate" in cli("limit", "old", "fast", expect=2).stderr
    assert "no run is under way" in cli("limit", "old", "1MB/s", expect=4).stderr
