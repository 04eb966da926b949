"""Things fail at named moments: the exit code says what, nothing told is missing, and the same command goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from migrator.failpoints import LOG_VARIABLE, POINTS, VARIABLE
from migrator.failpoints.acting import ACTIONS, FailPointReached, Failures
from tests.support.cli import clean_environment, run
from tests.support.moves import NAME, Move, give
from tests.support.plans import local, remote
from tests.support.sshd import Account, Sshd
from tests.support.trees import build_many, differences, set_folder_times, write_file
from torture.fail_points import CUTOVER, WAY_BACK, torture
from torture.kill_scenarios import Scenario
from torture.rows import Options

FILES = 40


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("scenario", "stride"), [(CUTOVER, 17), (WAY_BACK, 3)], ids=["cutover", "roll-back"])
def test_some_of_all_actions_at_all_points(scenario: Scenario, stride: int, tmp_path: Path) -> None:
    outcome = torture(scenario, Options(tmp_path, stride=stride), most=1)
    assert outcome.violations == ()
    assert outcome.tried >= 2


# What fails where, and the exit code that tells of it. A helper that is lost is replaced, as is one
# whose disk fails once: the run goes on by itself.
FAR = [
    ("agent", "target", "temp-open:enospc", 3),
    ("agent", "target", "before-sync:eio", 3),
    ("agent", "target", "rename:kill", 0),
    ("agent", "target", "directory-sync:raise", 0),
    ("agent", "source", "scan:eio:2", 3),
    ("sftp", "target", "chunk:enospc", 3),
    ("sftp", "target", "rename:eio:3", 0),
    ("sftp", "target", "after-sync:kill:3", 0),
    ("sftp", "source", "scan:eio", 10),
    ("sftp", "source", "scan:eio:2", 3),
]


@pytest.mark.parametrize("case", FAR, ids=[":".join(map(str, each)) for each in FAR])
def test_far_ends_fail_as_well(
    case: tuple[str, str, str, int], sshd: Sshd, account: Account, ground: Path, tmp_path: Path
) -> None:
    lane, far, failure, code = case
    source, target, log = ground / "source", ground / "target", ground / "log"
    build_many(bytes(source), FILES)
    write_file(bytes(source / "folder" / "file"))
    set_folder_times(bytes(source))
    log.touch()
    log.chmod(0o666)
    give(ground, account)
    end = remote(sshd.endpoint("openssh"), "agent" if lane == "agent" else "sftp")
    cli = Move(tmp_path, source, target, *((end, local()) if far == "source" else (local(), end))).cli()
    failing = replace(cli, environment={VARIABLE: failure, LOG_VARIABLE: str(log)})
    cli("run", "--until", "checked")  # whose look at the source is not what is to fail
    failing("run", "--until", "seeded", expect=code)
    assert log.read_text(), "it never came there"
    cli("run", "--until", "seeded")
    assert cli.phases() == {NAME: "seeded"}
    assert differences(source, target, nanoseconds=lane == "agent") == []
    assert list(ground.rglob(".migrator-[0-9a-f]*-*")) == []


@pytest.mark.parametrize(("action", "code"), [("kill", -9), ("raise", 1), ("enospc", 9), ("delay=0.1", 0)])
def test_a_paper_that_could_not_be_kept_is_made_again(action: str, code: int, tmp_path: Path) -> None:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_many(bytes(move.source), 3)
    cli = move.cli()
    for command in (("run", "--yes"), ("accept",)):
        cli(*command)
    for file in sorted(move.source.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    failing = replace(cli, environment={VARIABLE: f"papers:{action}"})
    with failing.started("decommission") as process:
        assert process.wait(60) == code
    cli("decommission")
    assert cli.phases() == {NAME: "decommissioned"}
    papers = tmp_path / "state" / "moving-house" / "papers" / NAME
    assert {path.name for path in papers.iterdir()} == {"close-out.md", "close-out.json"}


def test_the_command_lists_every_point() -> None:
    lines = run(["doctor", "--fail-points", "--json"], clean_environment(), 0).lines()
    assert {line["name"]: line["where"] for line in lines} == POINTS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rename", "`rename` is not POINT:ACTION"),
        ("rename:kill:0", "is not POINT:ACTION"),
        ("rename:explode", "there is no action `explode`"),
        ("rename:kill=3", "there is no action `kill=3`"),
        ("nowhere:kill", "there is no fail-point `nowhere`"),
        ("rename:delay=soon", "soon"),
    ],
)
def test_what_cannot_be_understood_is_refused(text: str, words: str, tmp_path: Path) -> None:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_many(bytes(move.source), 1)
    outcome = replace(move.cli(), environment={VARIABLE: text})("run", "--until", "seeded", expect=2)
    assert words in outcome.stderr
    assert not move.target.exists()


def test_it_fails_the_n_th_time_and_only_once_with_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    failures = Failures("scan:enospc:2, rename:raise", str(log))
    failures.reached("scan")
    failures.reached("chunk")
    with pytest.raises(OSError, match="No space left"):
        failures.reached("scan")
    failures.reached("scan")
    with pytest.raises(FailPointReached, match="rename"):
        failures.reached("rename")
    again = Failures("rename:raise", str(log))
    again.reached("rename")
    assert log.read_text() == "scan:enospc:2\nrename:raise:1\n"


def test_every_action_is_listed_where_it_is_explained() -> None:
    text = (Path(__file__).parents[2] / "docs" / "decisions" / "0018-fail-points-are-in-every-build.md").read_text()
    assert all(f"`{action}" in text for action in ACTIONS)
