"""docs/what-if.md is executed: each of its commands is typed in a real situation, and prints what the page shows."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.support.cli import COMMAND, Cli, clean_environment
from tests.support.moves import Move, give
from tests.support.nameservers import ZONE, make_tsig_key, running_primary, running_secondary
from tests.support.plans import flag_freeze, remote
from tests.support.sshd import Account, Sshd, wait_for
from tests.support.stages import Hook
from tests.support.trees import build_many, differences

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "what-if.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))

# What a person does between one block of a section and the next: each `yield` is a block, and after the last one the
# situation says whether all is well.
Situation = Generator[None, None, None]


@dataclass(frozen=True)
class Typed:
    """A command of the page, what it prints, and how it exits."""

    command: str
    shown: tuple[str, ...]
    code: int


def blocks_of(section: str) -> list[list[Typed]]:
    """The commands of each block of a section."""
    return [
        list(commands_of(block)) for block in re.findall(r"^```console\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    ]


def commands_of(block: str) -> Iterator[Typed]:
    for each in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *lines = each.splitlines()
        ending = re.fullmatch(r"# exit (\d+)", lines[-1]) if lines else None
        yield Typed(command, tuple(lines[:-1] if ending else lines), int(ending[1]) if ending else 0)


def carried_out(typed: Typed, folder: Path) -> None:
    """Type the command in `folder`; fails unless it exits as shown, and prints the lines that are shown, in order."""
    program, *arguments = shlex.split(typed.command)
    assert program == "migrator", typed.command
    finished = subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == typed.code, f"{typed.command}\n{finished.stdout}"
    printed = iter(_bare(finished.stdout))
    for line in _bare("\n".join(typed.shown)):
        pattern = ".*".join(re.escape(part) for part in line.split("..."))
        is_there = line == "..." or any(re.fullmatch(pattern, said) for said in printed)
        assert is_there, f"{typed.command} does not print {line!r}, or not in this place:\n{finished.stdout}"


def _bare(text: str) -> list[str]:
    """The lines that are not empty, without regard to the width of columns."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def move_in(folder: Path) -> Move:
    """Three files that are to move."""
    move = Move(folder, folder / "source", folder / "target")
    build_many(bytes(move.source), 3)
    return move


def approved(cli: Cli) -> Cli:
    """As the board left it in the afternoon."""
    cli("approve", "freeze")
    cli("approve", "switch-over")
    return cli


def is_over_there(move: Move) -> bool:
    return move.is_switched_over and differences(move.source, move.target) == []


def the_link_dies(folder: Path, request: pytest.FixtureRequest) -> Situation:
    sshd: Sshd = request.getfixturevalue("sshd")
    account: Account = request.getfixturevalue("account")
    source: Path = request.getfixturevalue("ground") / "source"
    move = Move(folder, source, folder / "target", source_end=remote(sshd.endpoint("openssh"), "agent"))
    build_many(bytes(source), 3)
    give(source, account)
    approved(move.cli())("run", "--until", "frozen")
    sshd.stop()
    yield
    sshd.start_again()
    yield
    assert is_over_there(move)


def the_freeze_hook_hangs(folder: Path, request: pytest.FixtureRequest) -> Situation:
    move, script = move_in(folder), folder / "stop-portail"
    script.write_text("#!/bin/sh\nsleep 1000\n")
    script.chmod(0o755)
    approved(move.cli(freeze={**flag_freeze(move.frozen), "apply": [str(script)], "timeout": "2 s"}))
    yield
    script.write_text(f"#!/bin/sh\ntouch {shlex.quote(str(move.frozen))}\n")
    yield
    assert is_over_there(move)


def the_source_still_changes(folder: Path, request: pytest.FixtureRequest) -> Situation:
    move = move_in(folder)
    approved(move.cli())("run", "--until", "verified")
    (move.source / "late.txt").write_text("by a cron job")
    yield
    yield
    assert is_over_there(move)


def not_tonight(folder: Path, request: pytest.FixtureRequest) -> Situation:
    move = move_in(folder)
    approved(move.cli())("run", "--until", "verified")
    yield
    assert not move.frozen.exists()
    yield
    assert is_over_there(move)


def the_hours_end(folder: Path, request: pytest.FixtureRequest) -> Situation:
    move = move_in(folder)
    cli = move.cli()
    cli("run", "--until", "verified", "--yes")
    an_hour_ago = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    start = an_hour_ago - dt.timedelta(hours=3)
    over = {"days": f"{start:%a}".lower(), "hours": f"{start:%H:%M}-{an_hour_ago:%H:%M}"}
    plan = yaml.safe_load(cli.plan.read_text())
    plan["waves"][0]["cutover"] = over
    cli.plan.write_text(yaml.dump(plan))
    cli("plan", "--accept-changes")
    approved(cli)
    yield
    assert not move.frozen.exists()


def dns_is_half_way(folder: Path, request: pytest.FixtureRequest) -> Situation:
    move, key = move_in(folder), make_tsig_key(folder)
    with running_primary("bind", key) as primary, running_secondary("bind", key, primary) as secondary:
        record = {"zone": ZONE, "name": "eau", "type": "A", "value": "10.18.0.7", "key_file": key.file.name}
        servers = {"server": str(primary.address), "servers": [str(secondary.address)], "timeout": "1 s"}
        approved(move.cli(switch=[{"dns": {**record, **servers}}]))
        yield
        serial = primary.serial()
        secondary.notify()
        yield
        assert secondary.ask("eau") == (60, {"10.18.0.7"})
        assert primary.serial() == serial, "nothing is sent a second time"


def a_check_fails(folder: Path, request: pytest.FixtureRequest) -> Situation:
    move, well = move_in(folder), folder / "well"
    check = {"on": "here", "argv": ["test", "-e", str(well)], "when": "after", "timeout": "1 s"}
    cli = approved(move.cli(checks=[{"command": check}]))
    yield
    well.touch()
    yield
    cli("accept")


def we_must_go_back(folder: Path, request: pytest.FixtureRequest) -> Situation:
    move = move_in(folder)
    approved(move.cli(fall_back={"source_write": True}))("run")
    (move.target / "upload.txt").write_text("by a user")
    yield
    assert is_over_there_with_an_upload(move)
    yield
    assert (move.source / "upload.txt").read_text() == "by a user"
    assert is_home(move)


def we_must_go_back_at_a_loss(folder: Path, request: pytest.FixtureRequest) -> Situation:
    move = move_in(folder)
    approved(move.cli())("run")
    (move.target / "upload.txt").write_text("by a user")
    yield
    assert is_over_there_with_an_upload(move)
    yield
    assert not (move.source / "upload.txt").exists()
    assert (move.target / "upload.txt").exists()
    assert is_home(move)


def the_target_breaks_down(folder: Path, request: pytest.FixtureRequest) -> Situation:
    move = move_in(folder)
    approved(move.cli(fall_back={"source_write": True}))("run")
    shutil.rmtree(move.target)
    yield
    assert move.is_switched_over
    yield
    assert is_home(move)


def is_over_there_with_an_upload(move: Move) -> bool:
    return move.is_switched_over and move.frozen.exists() and not (move.source / "upload.txt").exists()


def is_home(move: Move) -> bool:
    return move.is_untouched and not move.frozen.exists()


def the_target_fills_up(folder: Path, request: pytest.FixtureRequest) -> Situation:
    move = move_in(folder)
    move.target.mkdir()
    with contextlib.ExitStack() as stack:
        mount(move.target, "size=1m")
        stack.callback(subprocess.run, ["umount", str(move.target)], check=True)
        cli = approved(move.cli())
        cli("run", "--until", "checked")
        (move.source / "grown").write_bytes(os.urandom(3_000_000))
        yield
        mount(move.target, "remount,size=64m")
        yield
        assert is_over_there(move)


def mount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)


def the_machine_dies(folder: Path, request: pytest.FixtureRequest) -> Situation:
    move, hook = move_in(folder), Hook(folder / "hook")
    cli = approved(move.cli(freeze=hook.triple))
    hook.hold("apply-begun")
    with cli.started("run") as process:
        wait_for(lambda: "apply-begun" in hook.acts, "the freeze hook", 60)
        process.kill()
        process.wait()
    hook.give_up()
    yield
    assert is_over_there(move)
    assert hook.acts.count("apply-done") == 1


def the_state_is_gone(folder: Path, request: pytest.FixtureRequest) -> Situation:
    move = move_in(folder)
    cli = approved(move.cli())
    cli("run", "--until", "seeded")
    shutil.rmtree(cli.state)
    yield
    assert differences(move.source, move.target) == []
    yield
    assert not move.frozen.exists()


SITUATIONS: dict[str, Callable[[Path, pytest.FixtureRequest], Situation]] = {
    "What if the link dies?": the_link_dies,
    "What if the freeze hook hangs?": the_freeze_hook_hangs,
    "What if the source still changes?": the_source_still_changes,
    "What if we do not switch tonight?": not_tonight,
    "What if the cutover hours end before the switch?": the_hours_end,
    "What if DNS is half-way?": dns_is_half_way,
    "What if a check fails after the switch?": a_check_fails,
    "What if we must go back on Sunday?": we_must_go_back,
    "What if we must go back, and the source must not be written?": we_must_go_back_at_a_loss,
    "What if the target breaks down after the switch?": the_target_breaks_down,
    "What if the target fills up?": the_target_fills_up,
    "What if the machine we run on dies?": the_machine_dies,
    "What if the machine is gone, and the state with it?": the_state_is_gone,
}


def test_every_section_has_its_situation_and_every_situation_its_section() -> None:
    assert list(SECTIONS) == list(SITUATIONS)


@pytest.mark.parametrize(
    "title",
    [pytest.param(title, marks=pytest.mark.root if "fills up" in title else ()) for title in SECTIONS],
)
def test_what_the_page_shows_is_what_happens(title: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    blocks = blocks_of(SECTIONS[title])
    assert blocks, "a section without commands helps nobody"
    situation = SITUATIONS[title](tmp_path, request)
    with contextlib.closing(situation):
        for block in blocks:
            next(situation)
            for typed in block:
                carried_out(typed, tmp_path)
        with pytest.raises(StopIteration):
            next(situation)


def test_every_link_within_the_page_leads_to_a_section() -> None:
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in SECTIONS}
    assert set(re.findall(r"\(#(.*?)\)", PAGE)) <= anchors
