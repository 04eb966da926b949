"""A scenario on the disk: killed, looked at, gone on with, looked at again, and put back for the next kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

from tests.faults.checker.checking import violations
from tests.faults.checker.evidence import Before, Ending, Evidence, Place, Versions
from tests.support.cli import COMMAND, Cli, clean_environment
from tests.support.moves import NAME, Move
from tests.support.plans import local
from tests.support.stages import Hook
from tests.support.trees import differences
from torture import tracer
from torture.far_side import FarSide
from torture.kill_scenarios import Scenario

# The run with all that it started; the process alone that makes the call; the agent at the far side that makes it.
Victim = Literal["tree", "process", "agent"]

_RUN_SECONDS = 120
_FOREIGN = b"of somebody else"  # at the target, and never ours to touch


@dataclass(frozen=True)
class Traced:
    """How a traced run went."""

    counts: dict[str, int]
    killed: str | None
    code: int
    said: str


@dataclass
class Ground:
    """A scenario, prepared in a folder of its own. One without a far side is all on this machine."""

    scenario: Scenario
    victim: Victim
    far: FarSide | None
    move: Move
    cli: Cli
    hooks: dict[str, Hook]
    versions: Versions = field(default_factory=Versions)
    reference: Ending | None = None
    counts: dict[str, int] = field(default_factory=dict)  # the calls that a run makes before it ends by itself

    @classmethod
    def prepare(cls, scenario: Scenario, folder: Path, victim: Victim, far: FarSide | None = None) -> Self:
        """Build the source, lead up to the command, and let it run once unharmed: what it does, and how it ends."""
        target_end = local() if far is None else far.endpoint
        move = Move(folder / "ground", folder / "ground/source", folder / "ground/target", target_end=target_end)
        move.source.mkdir(parents=True)
        scenario.build(move.source)
        hooks = {name: Hook(move.folder / name) for name in ("freeze", "switch")}
        switches = [*move.application()["switch"], hooks["switch"].in_plan]
        cli = move.cli(freeze=hooks["freeze"].triple, switch=switches)
        ground = cls(scenario, victim, far, move, cli, hooks)
        ground.versions.note(move.source)
        if scenario.before is not None:
            cli(*scenario.before, timeout_seconds=_RUN_SECONDS)
            _plant(move.target)
        if scenario.change is not None:
            scenario.change(move.source)
            ground.versions.note(move.source)
        ground._keep()
        ground._learn()
        return ground

    @property
    def place(self) -> Place:
        """Where all of it lies."""
        move = self.move
        made = (self.cli.state, move.frozen, move.switched, move.link, *(move.folder / name for name in self.hooks))
        state = self.cli.state / "moving-house"
        return Place(move.source, move.target, state, move.folder, NAME, may_change=made)

    def kill(self, name: str, at: int) -> list[str] | None:
        """What was violated by a kill there, and after it; None when the run came to its end before."""
        self._put_back()
        before = Before.of(self.place)
        traced = self._traced(name, at)
        if traced.killed is None:
            return None
        # A run that has lost a mover or an agent may well have come to a good end without it.
        left = replace(self._evidence(before, traced.said), has_ended=traced.code == 0)
        found = [f"after the kill: {line}" for line in violations(left)]
        again = self.cli(*self.scenario.command, timeout_seconds=_RUN_SECONDS)
        ended = self._evidence(before, again.stdout + again.stderr)
        found += [f"at the end: {line}" for line in violations(replace(ended, has_ended=True))]
        return found + [f"at the end: {line}" for line in self._unequal()]

    def _learn(self) -> None:
        before = Before.of(self.place)
        traced = self._traced("", 0)
        evidence = replace(self._evidence(before, traced.said), has_ended=True)
        wrong = [*violations(evidence), *self._unequal()]
        if traced.code != 0 or wrong:
            raise RuntimeError(f"{self.scenario.name}: without any kill: exit {traced.code}, {wrong}, {traced.said}")
        self.counts, self.reference = traced.counts, evidence.ending()

    def _unequal(self) -> list[str]:
        lines = differences(self.move.source, self.move.target, everything=True)
        return [line for line in lines if line != f"extra: {_FOREIGN!r}"]

    def _evidence(self, before: Before, said: str) -> Evidence:
        # Each hook's acts are a story of their own.
        acts = tuple(act for hook in self.hooks.values() for act in ("probe-", *hook.acts))
        is_linked = self.move.link.is_symlink()
        is_switched = is_linked or self.move.switched.exists() or "apply-begun" in self.hooks["switch"].acts
        # Before the journal was made there is nothing to export.
        export = self.cli("export").stdout if (self.place.state / "journal.db").exists() else ""
        return Evidence(
            self.place,
            self.versions,
            before,
            export,
            is_switched=is_switched,
            reference=self.reference,
            acts=acts,
            said=(said,),
        )

    def _traced(self, name: str, at: int) -> Traced:
        """Run the command of the scenario, the victim to be killed before call number `at` of that name (0: none)."""
        report, verb, *options = self.move.folder.with_name("report.json"), *self.scenario.command
        said = report.with_name("said.txt")
        here = (name, at, self.victim)
        if self.far is not None and self.victim == "agent":
            self.far.kill_at(name, at)
            here = ("", 0, "tree")
        argv = [sys.executable, "-I", tracer.__file__, str(report), *map(str, here), *COMMAND]
        argv += [verb, str(self.cli.plan), *options, "--state", str(self.cli.state)]
        with said.open("wb") as file:
            subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=clean_environment(),
                timeout=_RUN_SECONDS,
                check=True,
            )
        traced = Traced(**json.loads(report.read_text()), said=said.read_text())
        if self.far is None:
            return traced
        self.far.kill_at("", 0)
        counts, killed = self.far.seen()
        return replace(traced, counts=counts, killed=killed) if self.victim == "agent" else traced

    def _keep(self) -> None:
        kept = self.move.folder.with_name("kept")
        kept.mkdir()
        _copy(self._moving(), kept)

    def _put_back(self) -> None:
        for path in self._moving():
            subprocess.run(["rm", "-rf", "--", path], check=True)
        _copy(sorted(self.move.folder.with_name("kept").iterdir()), self.move.folder)

    def _moving(self) -> list[Path]:
        """What runs change."""
        place = self.place
        return [path for path in (place.target, *place.may_change) if os.path.lexists(path)]


def _plant(target: Path) -> None:
    """Put a file there that nobody told us of, which leaves no trace on the folder."""
    before = target.stat()
    (target / os.fsdecode(_FOREIGN)).touch()
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))


def _copy(paths: Sequence[Path], to: Path) -> None:
    if paths:
        subprocess.run(["cp", "-a", "--", *paths, to], check=True)
