"""Applications and runs side by side: needs, one plan in two hands, few connections, signals during a hook."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import yaml

from tests.support.cli import Cli
from tests.support.doorman import doorman
from tests.support.moves import NAME, Move, give
from tests.support.plans import Mapped, flag_freeze, remote
from tests.support.sshd import Sshd, descendants, wait_for
from tests.support.trees import build_many, differences


def prepared(folder: Path, *names: str) -> list[Move]:
    moves = [Move(folder / name, folder / f"source-{name}", folder / f"target-{name}") for name in names]
    for move in moves:
        move.folder.mkdir()
        build_many(bytes(move.source), 20)
    return moves


def side_by_side(cli: Cli, parallel: int) -> None:
    """Let so many applications of the plan's wave be under way at once."""
    content = yaml.safe_load(cli.plan.read_text())
    content["waves"][0]["parallel"] = parallel
    cli.plan.write_text(yaml.dump(content))


def slow_freeze(move: Move) -> Mapped:
    """A freeze that says when it has begun, and waits for the word to go on."""
    begun, go = move.folder / "begun", move.folder / "go"
    wait = f"touch {begun}; while ! test -e {go}; do sleep 0.05; done"
    script = f"echo apply >> {move.folder}/hooks; {wait}; touch {move.frozen}"
    probe = f"echo probe >> {move.folder}/hooks; test -e {move.frozen}"
    return {
        "on": "here",
        "apply": ["sh", "-c", script],
        "probe": ["sh", "-c", probe],
        "undo": ["rm", "-f", str(move.frozen)],
    }


@pytest.mark.parametrize("parallel", [1, 3])
def test_what_needs_an_application_that_fails_waits_and_the_rest_goes_on(parallel: int, tmp_path: Path) -> None:
    first, second, third = prepared(tmp_path, "a", "b", "c")
    refusing = {"on": "here", "apply": ["true"], "probe": ["false"], "undo": ["true"]}
    cli = third.cli(
        second.application(needs=["a"]) | {"name": "b"},
        first.application(freeze=refusing) | {"name": "a"},
    )
    side_by_side(cli, parallel)

    cli("run", "--yes", expect=4)

    assert cli.phases() == {NAME: "switched-over", "b": "seeded", "a": "seeded"}
    assert not second.frozen.exists()


def test_one_plan_in_two_hands(tmp_path: Path) -> None:
    july, june = prepared(tmp_path, "july", "june")
    cli = july.cli(june.application() | {"name": "june"}, freeze=slow_freeze(july))
    with cli.started("run", "--application", NAME, "--yes") as first:
        wait_for((july.folder / "begun").exists, "the first run freezes", 60)
        cli("run", "--application", "june", "--yes")
        assert cli.phases() == {NAME: "seeded", "june": "switched-over"}
        (july.folder / "go").touch()
        assert first.wait(60) == 0
    assert cli.phases() == {NAME: "switched-over", "june": "switched-over"}


def test_an_approval_reaches_a_run_that_is_under_way(tmp_path: Path) -> None:
    (move,) = prepared(tmp_path, "a")
    cli = move.cli(freeze=slow_freeze(move))
    cli("approve", "freeze")
    with cli.started("run") as run:
        wait_for((move.folder / "begun").exists, "the run freezes", 60)
        cli("approve", "switch-over")
        (move.folder / "go").touch()
        assert run.wait(60) == 0
    assert move.is_switched_over


@pytest.mark.parametrize("moment", ["begun", "frozen"])
def test_a_freeze_that_was_killed_is_probed_before_anything_else(moment: str, tmp_path: Path) -> None:
    (move,) = prepared(tmp_path, "a")
    cli = move.cli(freeze=slow_freeze(move))
    with cli.started("run", "--yes") as run:
        wait_for((move.folder / "begun").exists, "the run freezes", 60)
        os.kill(run.pid, signal.SIGKILL)
        run.wait(60)
    (move.folder / "go").touch()
    if moment == "frozen":  # as if the hook, which ends with the run, had just done its work
        move.frozen.touch()
    cli("run", "--yes")
    assert move.is_switched_over
    hooks = (move.folder / "hooks").read_text().split()
    assert "apply apply" not in " ".join(hooks)
    assert hooks[:4] == ["probe", "probe", "apply", "probe"], "the preflight's, then those around the act"


@pytest.mark.parametrize("phase", ["frozen", "verified"])
def test_rolling_back_goes_on_after_it_was_killed(phase: str, tmp_path: Path) -> None:
    (move,) = prepared(tmp_path, "a")
    begun, go = move.folder / "begun", move.folder / "go"
    undo = f"touch {begun}; while ! test -e {go}; do sleep 0.05; done; rm -f {move.frozen}"
    cli = move.cli(freeze={**move.application()["freeze"], "undo": ["sh", "-c", undo]})
    cli("run", "--until", phase, "--yes")
    with cli.started("roll-back", "--yes") as run:
        wait_for(begun.exists, "the roll back thaws", 60)
        os.kill(run.pid, signal.SIGKILL)
        run.wait(60)
    go.touch()
    assert cli.phases() == {NAME: phase}
    cli("roll-back", "--yes")
    assert cli.phases() == {NAME: "seeded"}
    assert not move.frozen.exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_during_a_hook_lets_its_probe_have_its_say(number: signal.Signals, code: int, tmp_path: Path) -> None:
    (move,) = prepared(tmp_path, "a")
    cli = move.cli(freeze=slow_freeze(move))
    with cli.started("run", "--yes") as run:
        wait_for((move.folder / "begun").exists, "the run freezes", 60)
        os.kill(run.pid, number)
        wait_for(lambda: "stopping" in cli.plan.with_name("stderr.txt").read_text(), "it has heard")
        (move.folder / "go").touch()
        assert run.wait(60) == code
    hooks = (move.folder / "hooks").read_text().split()
    assert hooks == ["probe", "probe", "apply", "probe"], "the preflight's, then those around the act"
    assert cli.phases() == {NAME: "frozen"}, "the hook came to its end, and its probe said so"


def test_the_second_signal_leaves_at_once_and_the_movers_with_it(tmp_path: Path) -> None:
    (move,) = prepared(tmp_path, "a")
    cli = move.cli(freeze=slow_freeze(move))
    try:
        with cli.started("run", "--yes") as run:
            wait_for((move.folder / "begun").exists, "the run freezes", 60)
            movers = descendants(run.pid)
            os.kill(run.pid, signal.SIGINT)
            wait_for(lambda: "stopping" in cli.plan.with_name("stderr.txt").read_text(), "it has heard")
            assert run.poll() is None, "it waits for the hook"
            os.kill(run.pid, signal.SIGTERM)
            assert run.wait(30) == 143, "the hook would keep it for ever"
    finally:
        (move.folder / "go").touch()  # a hook is never cut off half-way: it comes to its own end
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in movers), "nobody is left")
    cli("run", "--yes")
    assert move.is_switched_over


def connections_to(port: int) -> int:
    """How many connections to the server at `port` stand (proc(5): /proc/net/tcp, state 01).

    The table is not read in one moment: one that ends and the one after it may both be in it. So two looks must agree.
    """

    def look() -> int:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)

    return min(look(), look())


@pytest.mark.parametrize(("connector", "limit", "wanted"), [("openssh", 2, 3), ("paramiko", 2, 3), ("openssh", 6, 6)])
def test_an_endpoint_gets_no_more_connections_than_it_bears(
    connector: Literal["openssh", "paramiko"], limit: int, wanted: int, sshd: Sshd, ground: Path, tmp_path: Path
) -> None:
    """Three roots behind one server, to be filled at once; with a limit of 2 the lock of one comes on top of it."""
    spec = sshd.endpoint(connector, "new")
    end = remote(replace(spec, limits=replace(spec.limits, connections=limit)))
    moves = []
    for name in ("a", "b", "c"):
        move = Move(tmp_path / name, tmp_path / f"source-{name}", ground / f"target-{name}", target_end=end)
        move.folder.mkdir()
        build_many(bytes(move.source), 100)
        moves.append(move)
    give(ground, sshd.setup.account)
    others = [each.application() | {"name": name} for each, name in zip(moves, "ab", strict=False)]
    cli = moves[2].cli(*others)
    side_by_side(cli, 3)
    most = 0
    with cli.started("run", "--yes") as run:
        while run.poll() is None:
            most = max(most, connections_to(sshd.port))
            time.sleep(0.005)
        assert run.returncode == 0, cli.plan.with_name("stderr.txt").read_text()
    assert 2 <= most <= wanted
    for move in moves:
        assert differences(move.source, move.target, nanoseconds=False) == []


def test_commands_scans_movers_and_probes_stay_within_the_limit_together(
    sshd: Sshd, ground: Path, tmp_path: Path
) -> None:
    """Two applications side by side, read from one server that also runs their freezes."""
    spec = sshd.endpoint("openssh", "old")
    end = remote(replace(spec, limits=replace(spec.limits, connections=3)), lane="auto")
    moves = []
    for name in ("a", "b"):
        move = Move(tmp_path / name, ground / f"source-{name}", tmp_path / f"target-{name}", source_end=end)
        move.folder.mkdir()
        build_many(bytes(move.source), 600)
        moves.append(move)
    flags = ground / "flags"
    flags.mkdir()
    give(ground, sshd.setup.account)
    freezes = [{**flag_freeze(flags / name), "on": "source"} for name in ("a", "b")]
    cli = moves[1].cli(moves[0].application(freeze=freezes[0]) | {"name": "a"}, freeze=freezes[1])
    side_by_side(cli, 2)
    most = 0
    with cli.started("run", "--yes") as run:
        while run.poll() is None:
            most = max(most, connections_to(sshd.port))
            time.sleep(0.002)
        assert run.returncode == 0, cli.plan.with_name("stderr.txt").read_text()
    assert 2 <= most <= 3  # how many stand at one moment is a matter of chance; that there are never more is not
    assert {path.name for path in flags.iterdir()} == {"a", "b"}
    for move in moves:
        assert differences(move.source, move.target, nanoseconds=False) == []


@pytest.mark.parametrize("connector", ["openssh", "paramiko"])
def test_a_server_that_bears_less_than_the_plan_says_gets_less(
    connector: Literal["openssh", "paramiko"], sshd: Sshd, ground: Path, tmp_path: Path
) -> None:
    """Two connections are let in; the plan allows six, for two applications with two movers and their scans."""
    moves = []
    with doorman(sshd.port, 2) as man:
        spec = sshd.endpoint(connector, "old")
        assert spec.ssh is not None
        spec = replace(spec, ssh=replace(spec.ssh, port=man.port), limits=replace(spec.limits, connections=6))
        for name in ("a", "b"):
            source = ground / f"source-{name}"
            move = Move(tmp_path / name, source, tmp_path / f"target-{name}", source_end=remote(spec, lane="agent"))
            move.folder.mkdir()
            build_many(bytes(move.source), 1000)
            moves.append(move)
        give(ground, sshd.setup.account)
        cli = moves[1].cli(moves[0].application() | {"name": "a"})
        side_by_side(cli, 2)
        told = cli("run", "--yes")
    assert man.refusals > 0
    assert man.most_seen == 2
    assert told.stderr.count("refuses connections") + told.stdout.count("refuses connections") == 1, str(told)
    for move in moves:
        assert move.is_switched_over
        assert differences(move.source, move.target, nanoseconds=False) == []
