"""SIGKILL before, during and after every hook, switch and undo: the same command goes on, and each acts once."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cli import COMMAND, Cli, Outcome, clean_environment
from tests.support.haproxy import running_haproxy
from tests.support.moves import Move, give
from tests.support.nameservers import make_tsig_key, running_primary
from tests.support.plans import link_switch, remote
from tests.support.sshd import Account, Sshd, descendants, wait_for
from tests.support.stages import PLACING, TAKING_BACK, Hook, Stage, dns_stage, haproxy_stage, http_stage
from tests.support.trees import build_many

RUN_TO_FROZEN = ("run", "--until", "frozen", "--yes")
RUN_TO_SWITCHED_OVER = ("run", "--until", "switched-over", "--yes")
ROLL_BACK = ("roll-back", "--yes")
FALL_BACK = ("fall-back", "--yes")


@pytest.fixture
def move(tmp_path: Path) -> Move:
    move = Move(tmp_path, tmp_path / "source", tmp_path / "target")
    build_many(bytes(move.source), 3)
    return move


def killed_at_each(cli: Cli, stage: Stage, acts: tuple[str, ...], command: tuple[str, ...]) -> str:
    """Type `command` again and again, killed at one act after the other, and then leave it alone; the phase then."""
    for act in acts:
        kill_at(act, cli, stage, command)
    return phase_after(cli(*command, "--json"))


def phase_after(outcome: Outcome) -> str:
    """The phase that the application has reached, as a command tells at its end."""
    (report,) = outcome.events("application.report")
    return str(report["phase"])


def kill_at(act: str, cli: Cli, stage: Stage, command: tuple[str, ...]) -> None:
    """Type `command`, and kill it when it comes to the next act of that kind."""
    seen = stage.acts.count(act)
    stage.hold(act)
    with cli.started(*command) as process:
        wait_for(lambda: stage.acts.count(act) > seen or process.poll() is not None, act, 60)
        assert process.poll() is None, f"ended before {act}, after {stage.acts}"
        process.send_signal(signal.SIGKILL)
        process.wait()
    stage.give_up()


def acted_once(stage: Stage, verb: str, since: int = 0) -> None:
    """Fails unless the effect was acted upon once in the end, and never again without a probe in between."""
    acts = stage.acts[since:]
    assert acts.count(f"{verb}-done") == 1, acts
    assert acts.count(f"{verb}-begun") == 2, "once more than it acted, since the first was killed before it did"
    for earlier, later in itertools.pairwise(acts):
        assert not later.endswith("-begun") or earlier.startswith("probe-"), acts
    assert acts[-1] == ("probe-yes" if verb == "apply" else "probe-no")


@dataclass(frozen=True)
class Place:
    """Where a freeze hook runs, and what that makes of the move."""

    move: Move
    hook: Hook


@pytest.fixture(params=["here", "source"])
def place(request: pytest.FixtureRequest, move: Move, sshd: Sshd, account: Account, ground: Path) -> Place:
    if request.param == "here":
        return Place(move, Hook(move.folder / "hook"))
    far = Move(move.folder, ground / "source", move.target, source_end=remote(sshd.endpoint("openssh"), "agent"))
    build_many(bytes(far.source), 3)
    give(far.source, account)
    return Place(far, Hook(ground / "hook", on="source"))


def test_a_freeze_and_its_thaw(place: Place) -> None:
    hook = place.hook
    cli = place.move.cli(freeze=hook.triple)
    assert killed_at_each(cli, hook, PLACING, RUN_TO_FROZEN) == "frozen"
    acted_once(hook, "apply")
    frozen = len(hook.acts)
    assert killed_at_each(cli, hook, TAKING_BACK, ROLL_BACK) == "seeded"
    acted_once(hook, "undo", since=frozen)


@contextlib.contextmanager
def stage_of(kind: str, folder: Path) -> Iterator[Stage]:
    """A switch of that kind, with the real thing behind it."""
    with contextlib.ExitStack() as stack:
        if kind == "command":
            yield Hook(folder / "switch")
        elif kind == "http":
            yield stack.enter_context(http_stage())
        elif kind == "haproxy":
            yield stack.enter_context(haproxy_stage(stack.enter_context(running_haproxy())))
        else:
            key = make_tsig_key(folder)
            yield stack.enter_context(dns_stage(stack.enter_context(running_primary("bind", key)), key, "10.18.0.7"))


@pytest.fixture(params=["command", "http", "haproxy", "dns"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    with stage_of(request.param, tmp_path) as stage:
        yield stage


def test_a_switch_and_its_undo(stage: Stage, move: Move) -> None:
    freeze = Hook(move.folder / "freeze")
    cli = move.cli(freeze=freeze.triple, switch=[stage.in_plan], fall_back={"source_write": True})
    cli("run", "--until", "verified", "--yes")
    prepared = len(stage.acts)
    assert killed_at_each(cli, stage, PLACING, RUN_TO_SWITCHED_OVER) == "switched-over"
    acted_once(stage, "apply", since=prepared)
    assert freeze.acts.count("apply-begun") == 1, "what is frozen is not frozen again"

    (move.target / "upload").write_text("by a user")
    switched, frozen = len(stage.acts), len(freeze.acts)
    assert killed_at_each(cli, stage, TAKING_BACK, FALL_BACK) == "seeded"
    acted_once(stage, "undo", since=switched)
    assert (move.source / "upload").read_text() == "by a user"
    assert freeze.acts[frozen:] == ["probe-yes", "undo-begun", "undo-done", "probe-no"], "thawed once, after the switch"


def test_a_freeze_of_the_target_and_the_thaw_after_a_fall_back(move: Move) -> None:
    source, target = Hook(move.folder / "freeze"), Hook(move.folder / "closed")
    cli = move.cli(freeze=source.triple, fall_back={"source_write": True, "freeze": target.triple})
    cli(*RUN_TO_SWITCHED_OVER)
    begun, frozen = len(target.acts), len(source.acts)
    for act in PLACING:
        kill_at(act, cli, target, FALL_BACK)
    for act in TAKING_BACK:
        kill_at(act, cli, source, FALL_BACK)
    assert phase_after(cli(*FALL_BACK, "--json")) == "seeded"
    acted_once(target, "apply", since=begun)
    acted_once(source, "undo", since=frozen)


# A link is pointed by one system call: the run is killed when that is about to begin, or when it has just ended.
STOPS = pytest.mark.parametrize(
    ("fault", "has_acted"),
    [("delay_enter=100000000", False), ("delay_exit=100000000", True)],
    ids=["before", "after"],
)


@pytest.fixture
def between(move: Move) -> tuple[Cli, list[Hook]]:
    """A link that leads to the source, to be switched between two commands."""
    move.link.symlink_to(move.source)
    hooks = [Hook(move.folder / name) for name in ("first", "last")]
    first, last = (hook.in_plan for hook in hooks)
    return move.cli(switch=[first, link_switch(move.link, move.target), last]), hooks


@STOPS
def test_a_link(fault: str, has_acted: bool, move: Move, between: tuple[Cli, list[Hook]]) -> None:
    cli, hooks = between
    cli("run", "--until", "verified", "--yes")
    outcome = killed_at_the_link(move, cli, RUN_TO_SWITCHED_OVER, fault, leads_to=move.target if has_acted else None)
    applied = [("probe", "not in place"), ("apply", "done"), ("probe", "in place")]
    assert noted(outcome) == [("probe", "in place"), *([("probe", "in place")] if has_acted else applied), *applied]
    assert [hook.acts.count("apply-begun") for hook in hooks] == [1, 1]
    assert os.readlink(move.link) == str(move.target)
    assert phase_after(outcome) == "switched-over"


@STOPS
def test_a_link_that_is_taken_back(fault: str, has_acted: bool, move: Move, between: tuple[Cli, list[Hook]]) -> None:
    cli, hooks = between
    cli(*RUN_TO_SWITCHED_OVER)
    outcome = killed_at_the_link(move, cli, FALL_BACK, fault, leads_to=move.source if has_acted else None)
    undone = [("probe", "in place"), ("undo", "done"), ("probe", "not in place")]
    link = [("probe", "not in place")] if has_acted else undone
    assert noted(outcome) == [("probe", "not in place"), *link, *undone, *undone], (
        "the first switch and the freeze come last"
    )
    assert [hook.acts.count("undo-begun") for hook in hooks] == [1, 1]
    assert os.readlink(move.link) == str(move.source)
    assert phase_after(outcome) == "seeded"


def killed_at_the_link(move: Move, cli: Cli, command: tuple[str, ...], fault: str, leads_to: Path | None) -> Outcome:
    """Kill `command` when it is about to point the link, or has pointed it to `leads_to`; the same command then."""
    before = os.readlink(move.link)
    with traced(cli, fault, *command):
        if leads_to is None:
            wait_for(lambda: any(move.folder.glob(".migrator-link-*")), "the link is about to be pointed", 60)
        else:
            wait_for(lambda: os.readlink(move.link) == str(leads_to), "the link is pointed", 60)
    assert os.readlink(move.link) == (before if leads_to is None else str(leads_to))
    outcome = cli(*command, "--json")
    assert list(move.folder.glob(".migrator-link-*")) == []
    return outcome


def noted(outcome: Outcome) -> list[tuple[str, str]]:
    """What was done to effects, and how they answered."""
    return [(event["verb"], event["answer"]) for event in outcome.events("effect.noted")]


@contextlib.contextmanager
def traced(cli: Cli, fault: str, *command: str) -> Iterator[None]:
    """The command under strace, which does something to its first renaming; killed when the block is left."""
    calls = "rename,renameat,renameat2"
    tracer = ["strace", "-f", "-qq", "-o", os.devnull, f"--trace={calls}", f"--inject={calls}:{fault}:when=1"]
    verb, *options = command
    argv = [*tracer, *COMMAND, verb, str(cli.plan), *options, "--state", str(cli.state)]
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment()
    ) as process:
        try:
            yield
        finally:
            traced = descendants(process.pid)
            for pid in traced:
                os.kill(pid, signal.SIGKILL)
            process.kill()  # it would only learn of that when the delay is over
            process.wait()
            wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in traced), "the end of the run")
