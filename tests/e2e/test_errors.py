"""What goes wrong is told with its exit code, an error and a hint, and loses nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from migrator.domain.plan import EndpointSpec, Ssh
from tests.support.cli import clean_environment, run
from tests.support.moves import NAME, Move, footprint, give
from tests.support.plans import remote
from tests.support.sshd import Account, Sshd, dead_port, make_key, wait_for
from tests.support.trees import build_many, build_nasty, differences


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_nasty(bytes(move.source))
    return move


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0755", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def with_ssh(spec: EndpointSpec, **changed: object) -> EndpointSpec:
    assert isinstance(spec.ssh, Ssh)
    return replace(spec, ssh=replace(spec.ssh, **changed))  # type: ignore[arg-type]


def test_a_broken_plan_is_told_with_every_place_at_once(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("migration: moving\nendpoints: {old: {locl: true}}\nwaves:\n  - name: july\n    paralel: 4\n")
    for command in (["run"], ["plan"], ["plan", "--offline"], ["verify"], ["status"], ["export"], ["accept"]):
        arguments = [command[0], str(plan), *command[1:], "--state", str(tmp_path / "state")]
        outcome = run(arguments, clean_environment(), expect=11)
        assert f"{plan}:2:" in outcome.stderr
        assert f"{plan}:5:" in outcome.stderr
        assert "did you mean" in outcome.stderr
        assert outcome.stdout == ""
    assert not (tmp_path / "state").exists()


def test_a_missing_plan_is_an_invalid_plan(tmp_path: Path) -> None:
    outcome = run(["run", str(tmp_path / "none.yaml")], clean_environment(), expect=11)
    assert "none.yaml" in outcome.stderr


@pytest.mark.parametrize(
    "arguments",
    [[], ["run"], ["rnu", "plan.yaml"], ["run", "plan.yaml", "--until", "seedet"], ["status", "--nonsense"]],
)
def test_wrong_usage_is_exit_2(arguments: list[str]) -> None:
    run(arguments, clean_environment(), expect=2)


@pytest.mark.parametrize("options", [("--wave", "juli"), ("--application", "portial")])
def test_an_unknown_name_comes_with_the_one_that_was_meant(options: tuple[str, str], move: Move) -> None:
    outcome = move.cli()("run", *options, expect=2)
    assert "did you mean" in outcome.stderr
    assert not move.target.exists()


@pytest.mark.parametrize("connector", ["openssh", "paramiko"])
@pytest.mark.parametrize("role", ["source", "target"])
def test_an_unknown_host_key_stops_before_any_log_in(connector: str, role: str, sshd: Sshd, move: Move) -> None:
    stranger = make_key(move.folder / "another").public
    spec = sshd.endpoint("openssh" if connector == "openssh" else "paramiko")
    end = remote(with_ssh(spec, host_keys=(stranger,)))
    wrong = replace(move, source_end=end) if role == "source" else replace(move, target_end=end)
    wrong.cli()("run", "--yes", expect=8)
    assert "userauth-request" not in sshd.log()
    assert list(move.target.rglob("*")) == []
    assert move.is_untouched


@pytest.mark.parametrize("connector", ["openssh", "paramiko"])
def test_a_wrong_port_is_told_within_30_seconds(connector: str, sshd: Sshd, move: Move) -> None:
    spec = with_ssh(sshd.endpoint("openssh" if connector == "openssh" else "paramiko"), port=dead_port())
    began = time.monotonic()
    replace(move, source_end=remote(spec)).cli()("run", "--yes", expect=10)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("connector", ["openssh", "paramiko"])
def test_a_key_that_is_not_let_in_is_told(connector: str, sshd: Sshd, move: Move) -> None:
    stranger = make_key(move.folder / "another").private
    spec = with_ssh(sshd.endpoint("openssh" if connector == "openssh" else "paramiko"), identity_file=stranger)
    replace(move, source_end=remote(spec)).cli()("run", "--yes", expect=10)


def test_a_missing_source_is_not_an_empty_one(move: Move) -> None:
    replace(move, source=move.folder / "gone").cli()("run", "--yes", expect=10)
    assert move.is_untouched


def test_a_source_that_becomes_empty_deletes_nothing(move: Move) -> None:
    cli = move.cli()
    cli("run", "--until", "seeded")
    arrived = footprint(move.target)
    shutil.rmtree(move.source)
    move.source.mkdir()
    cli("run", "--yes", expect=8)
    assert footprint(move.target).keys() == arrived.keys()
    assert move.is_untouched


@pytest.mark.root
def test_a_full_target_is_told_and_goes_on_once_there_is_room(move: Move, full_disk: Path) -> None:
    # At first it would fit, so that the preflight has nothing to say; then the source grows.
    small = replace(move, target=full_disk / "target", source=move.folder / "growing")
    small.source.mkdir()
    (small.source / "first").write_bytes(b"first")
    cli = small.cli()
    cli("run", "--until", "checked")
    for number in range(80):
        (small.source / f"file {number:02}").write_bytes(os.urandom(100_000))

    outcome = cli("run", "--yes", expect=3)

    assert "full" in outcome.stderr + outcome.stdout
    assert cli.phases() == {NAME: "checked"}
    assert not small.frozen.exists()
    for path in small.target.iterdir():
        assert path.read_bytes() == (small.source / path.name).read_bytes(), "half a file stands under a final name"
    subprocess.run(["mount", "-o", "remount,size=64m", str(full_disk)], check=True)
    cli("run", "--yes")
    assert differences(small.source, small.target) == []
    assert small.is_switched_over


@pytest.mark.root
def test_an_unreadable_folder_is_unknown_and_not_empty(sshd: Sshd, account: Account, ground: Path, move: Move) -> None:
    source = ground / "source"
    build_many(bytes(source), 300)
    give(source, account)
    closed = source / "folder 0001"
    there = replace(move, source=source, source_end=remote(sshd.endpoint("openssh")))
    cli = there.cli()
    closed.chmod(0o000)
    outcome = cli("run", "--yes", expect=3)
    assert "folder 0001" in outcome.stderr + outcome.stdout
    assert len(list(there.target.rglob("file *"))) == 200, "what can be read is carried"
    assert [item["path"] for item in cli.items() if item["class"] == "failed"] == ["folder 0001"], cli.items()
    assert there.is_untouched

    closed.chmod(0o755)
    cli("run", "--until", "seeded")
    closed.chmod(0o000)
    cli("run", "--yes", expect=3)
    assert len(list(there.target.rglob("file *"))) == 300, "nothing below it was deleted"

    closed.chmod(0o755)
    cli("run", "--yes")
    assert differences(source, there.target, nanoseconds=False) == []


def waiting_freeze(move: Move) -> dict[str, object]:
    """A freeze that lasts until the file `go` is there, and says by `waiting` that it has begun."""
    script = f"touch {move.folder}/waiting; until test -e {move.folder}/go; do sleep 0.02; done; touch {move.frozen}"
    return {
        "on": "here",
        "apply": ["sh", "-c", script],
        "probe": ["test", "-e", str(move.frozen)],
        "undo": ["rm", "-f", str(move.frozen)],
    }


def test_a_second_run_at_once_is_turned_away_and_the_first_goes_on(move: Move) -> None:
    cli = move.cli(freeze=waiting_freeze(move))
    with cli.started("run", "--yes") as first:
        wait_for((move.folder / "waiting").exists, "the first run freezes", 60)
        cli("run", "--yes", expect=6)
        cli("status")
        cli("plan")
        (move.folder / "go").touch()
        assert first.wait(60) == 0
    assert cli.phases() == {NAME: "switched-over"}
    assert differences(move.source, move.target) == []


def test_another_state_folder_is_no_way_round_the_lock_on_a_target(move: Move) -> None:
    build_many(bytes(move.source / "many"), 3000)
    cli, other = move.cli(), replace(move.cli(), state=move.folder / "other")
    with cli.started("run", "--until", "seeded", "--json") as first:
        assert first.stdout is not None
        for line in first.stdout:
            if "item.acknowledged" in line:
                break
        os.kill(first.pid, signal.SIGSTOP)
        try:
            outcome = other("run", "--until", "seeded", "--adopt", expect=6)
            assert "target" in outcome.stderr + outcome.stdout
        finally:
            os.kill(first.pid, signal.SIGCONT)
        first.stdout.read()
        assert first.wait(60) == 0
    assert differences(move.source, move.target) == []


def test_a_changed_plan_is_refused_until_it_is_accepted(move: Move) -> None:
    cli = move.cli()
    cli("run", "--until", "seeded")
    cli.plan.write_text("# a comment changes nothing\n" + cli.plan.read_text())
    cli("run", "--until", "seeded")
    move.cli(dataset={"exclude": ["*.tmp"]})
    outcome = cli("run", "--until", "seeded", expect=7)
    assert "exclude" in outcome.stderr + outcome.stdout
    assert "exclude" in cli("plan").stdout
    cli("run", "--until", "seeded", expect=7)
    cli("plan", "--accept-changes")
    cli("run", "--yes")
    assert cli.phases() == {NAME: "switched-over"}


def test_a_target_that_holds_unknown_entries_is_taken_only_with_adopt(move: Move) -> None:
    shutil.copytree(move.source, move.target, symlinks=True)
    stale = move.target / "sizes" / "4096"
    stale.write_bytes(b"stale")
    (move.target / "modes" / "folder 500").chmod(0o700)
    cli = move.cli()
    cli("run", "--yes", expect=4)
    assert stale.read_bytes() == b"stale"
    outcome = cli("run", "--yes", "--adopt", "--json")
    content = sum(path.stat().st_size for path in move.source.rglob("*") if path.is_file() and not path.is_symlink())
    sent = {event["path"] for event in outcome.events("item.acknowledged") if event["kind"] == "file"}
    assert content > 0
    assert "sizes/4096" in sent
    assert differences(move.source, move.target) == []
    assert move.is_switched_over


@pytest.mark.parametrize("damage", ["garbage", "newer"])
def test_a_state_that_cannot_be_read_is_refused_and_left_as_it_is(damage: str, move: Move) -> None:
    cli = move.cli()
    cli("run", "--until", "seeded")
    journal = cli.state / "moving-house" / "journal.db"
    content = bytearray(journal.read_bytes())
    if damage == "garbage":
        content[:4096] = b"not a database\n" * 273 + b"!"
    else:
        content[60:64] = (1_000_000).to_bytes(4, "big")  # user_version: sqlite.org/fileformat.html, section 1.3
    journal.write_bytes(content)
    for command in ("run", "status", "verify"):
        cli(command, expect=9)
        assert journal.read_bytes() == bytes(content)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_a_run_in_good_order(number: signal.Signals, code: int, move: Move) -> None:
    build_many(bytes(move.source / "many"), 5000)
    cli = move.cli()
    with cli.started("run", "--yes", "--json") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "item.acknowledged" in line:
                break
        os.kill(process.pid, number)
        rest = process.stdout.read()
        assert process.wait(60) == code
    assert f'"exit_code":{code}' in rest.splitlines()[-1]
    assert list(move.target.rglob(".migrator-[0-9a-f]*-*")) == [], "temp files stayed behind"
    standing = cli.applications()[NAME]
    assert standing["counts"]["pending"] > 0
    cli("run", "--yes")
    assert differences(move.source, move.target) == []


def test_a_reader_that_leaves_stops_nothing(move: Move) -> None:
    cli = move.cli()
    with cli.started("run", "--yes", "--json") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.wait(60)
    assert cli.phases() == {NAME: "switched-over"}


def test_the_others_of_a_wave_go_on_when_one_fails(move: Move) -> None:
    other = replace(move, folder=move.folder / "other", target=move.folder / "other-target")
    other.folder.mkdir()
    broken = replace(move, source=move.folder / "gone")
    cli = broken.cli(other.application() | {"name": "annuaire"})
    cli("run", "--yes", expect=10)
    assert cli.phases() == {NAME: "planned", "annuaire": "switched-over"}
    assert differences(move.source, other.target) == []


def test_doctor_and_schema_need_no_plan(tmp_path: Path) -> None:
    outcome = run(["doctor", "--json", "--state", str(tmp_path / "state")], clean_environment(), expect=0)
    assert {"python", "sqlite", "ssh"} <= {line["rule"] for line in outcome.events("finding")}
    assert not (tmp_path / "state").exists()
    assert '"$schema"' in run(["schema"], clean_environment(), expect=0).stdout
