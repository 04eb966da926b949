"""SIGKILL before the k-th call of every system call that writes, in five scenarios; then the checker, and once more.

After each kill what lies there is checked from outside; then the same command is typed again, unharmed, and must end
as a run that nobody killed: same phase, same tree, same classes and digests, and a target equal to the source.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

from tests.faults.checker.checking import violations
from tests.faults.checker.evidence import Before, Ending, Evidence, Place, Versions
from tests.support.cli import COMMAND, Cli, clean_environment
from tests.support.moves import NAME, Move
from tests.support.stages import Hook
from tests.support.trees import build_attributes, differences, set_folder_times, write_file
from torture import tracer
from torture.rows import Options, Outcome, Row

Scope = Literal["tree", "process"]
_WORKERS = 2
_RUN_SECONDS = 120
_MIB = 1 << 20


@dataclass(frozen=True)
class Scenario:
    """Something that a run does, from a state that earlier runs have led to."""

    name: str
    about: str
    build: Callable[[Path], None]  # the source
    command: tuple[str, ...]  # the one that is killed
    before: tuple[str, ...] | None = None  # the one that leads to it
    change: Callable[[Path], None] | None = None  # made to the source in between
    deletes: bool = True  # whether the target is equal to the source at its end


def build_little(source: Path) -> None:
    """A few of every kind: a run has a call for each of them."""
    root = bytes(source)
    build_attributes(root)
    for number in range(6):
        write_file(root + b"/folder %d/file" % (number % 3) + b" %d" % number, b"%d" % number * 1000)
    write_file(root + b"/names/odd \xff\n name")
    write_file(root + b"/closed/in here", mode=0o400)
    os.chmod(root + b"/closed", 0o500)
    os.makedirs(root + b"/becomes a file/with a folder")
    write_file(root + b"/becomes a folder")
    os.symlink(b"../folder 0/file 0", root + b"/names/link")
    set_folder_times(root)


def change_little(source: Path) -> None:
    """Everything that can happen to an entry between two passes."""
    (source / "folder 0" / "file 0").write_bytes(b"another content")
    (source / "folder 0" / "new").write_bytes(b"new")
    (source / "folder 1" / "file 1").unlink()
    (source / "folder 1" / "file 4").chmod(0o640)
    (source / "folder 2").rename(source / "renamed")
    (source / "names" / "link").unlink()
    (source / "names" / "link").symlink_to("elsewhere")
    shutil.rmtree(source / "becomes a file")
    (source / "becomes a file").write_bytes(b"a file now")
    (source / "becomes a folder").unlink()
    (source / "becomes a folder" / "of two").mkdir(parents=True)
    (source / "linked" / "zero").unlink()
    os.link(source / "folder 0" / "new", source / "folder 1" / "another name of it")


def build_large(source: Path) -> None:
    """A file in two chunks, which is to change in one block."""
    write_file(bytes(source / "changing"), bytes(range(256)) * (9 * _MIB // 256))


def add_large(source: Path) -> None:
    """One more in three chunks, one with a hole, and that block."""
    write_file(bytes(source / "giant"), bytes(reversed(range(256))) * (17 * _MIB // 256))
    with (source / "sparse").open("wb") as file:
        file.seek(10 * _MIB)
        file.write(b"data behind a hole")
    with (source / "changing").open("r+b") as file:
        file.seek(8 * _MIB)
        file.write(b"changed in place")


SCENARIOS = (
    Scenario("first-seed", "the first seed", build_little, ("run", "--until", "seeded")),
    Scenario(
        "catch-up",
        "catch-up, freeze and final sync, with changes and deletions",
        build_little,
        ("run", "--until", "synced", "--yes"),
        ("run", "--until", "seeded"),
        change_little,
    ),
    Scenario(
        "large-file",
        "large files in chunks, new, sparse and changed in place",
        build_large,
        ("run", "--until", "seeded"),
        ("run", "--until", "seeded"),
        add_large,
    ),
    Scenario(
        "final-sync",
        "final sync and verification under freeze",
        build_little,
        ("run", "--until", "verified", "--yes"),
        ("run", "--until", "frozen", "--yes"),
        change_little,
    ),
    Scenario(
        "switch",
        "a switch-over with hooks",
        build_little,
        ("run", "--until", "switched-over", "--yes"),
        ("run", "--until", "verified", "--yes"),
    ),
)


@dataclass(frozen=True)
class Traced:
    """How a traced run went."""

    counts: dict[str, int]
    killed: str | None
    code: int
    said: str


@dataclass
class Ground:
    """A scenario, prepared in a folder of its own, to be killed in and put back again and again."""

    scenario: Scenario
    move: Move
    cli: Cli
    hooks: dict[str, Hook]
    versions: Versions = field(default_factory=Versions)
    reference: Ending | None = None
    counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def prepare(cls, scenario: Scenario, folder: Path) -> Self:
        """Build the source, lead up to the command, and let it run once unharmed: what it does, and how it ends."""
        move = Move(folder / "ground", folder / "ground" / "source", folder / "ground" / "target")
        move.source.mkdir(parents=True)
        scenario.build(move.source)
        hooks = {name: Hook(move.folder / name) for name in ("freeze", "switch")}
        switches = [*move.application()["switch"], hooks["switch"].in_plan]
        cli = move.cli(freeze=hooks["freeze"].triple, switch=switches)
        ground = cls(scenario, move, cli, hooks)
        ground.versions.note(move.source)
        if scenario.before is not None:
            cli(*scenario.before, timeout_seconds=_RUN_SECONDS)
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

    def kill(self, name: str, at: int, scope: Scope) -> list[str] | None:
        """What was violated by a kill there, and after it; None when the run came to its end before."""
        self._put_back()
        before = Before.of(self.place)
        traced = self._traced(name, at, scope)
        if traced.killed is None:
            return None
        found = [f"after the kill: {line}" for line in violations(self._evidence(before, traced.said))]
        again = self.cli(*self.scenario.command, timeout_seconds=_RUN_SECONDS)
        ended = self._evidence(before, again.stdout + again.stderr)
        found += [f"at the end: {line}" for line in violations(replace(ended, has_ended=True))]
        return found + [f"at the end: {line}" for line in self._unequal()]

    def _learn(self) -> None:
        before = Before.of(self.place)
        traced = self._traced("", 0, "tree")
        evidence = replace(self._evidence(before, traced.said), has_ended=True)
        wrong = [*violations(evidence), *self._unequal()]
        if traced.code != 0 or wrong:
            raise RuntimeError(f"{self.scenario.name}: without any kill: exit {traced.code}, {wrong}, {traced.said}")
        self.counts, self.reference = traced.counts, evidence.ending()

    def _unequal(self) -> list[str]:
        return differences(self.move.source, self.move.target, everything=True)

    def _evidence(self, before: Before, said: str) -> Evidence:
        acts = tuple(act for hook in self.hooks.values() for act in ("probe-", *hook.acts))
        is_switched = self.move.link.is_symlink() or self.move.switched.exists()
        is_switched = is_switched or "apply-begun" in self.hooks["switch"].acts
        return Evidence(
            self.place,
            self.versions,
            before,
            # Before the plan was recorded there is nothing to export, which is an answer too.
            export=self.cli("export").stdout if (self.place.state / "journal.db").exists() else "",
            is_switched=is_switched,
            reference=self.reference,
            acts=acts,
            said=(said,),
        )

    def _traced(self, name: str, at: int, scope: Scope) -> Traced:
        """Run the command of the scenario, to be killed before the call number `at` of that name (0: not at all)."""
        report, verb, *options = self.move.folder.with_name("report.json"), *self.scenario.command
        said = report.with_name("said.txt")
        argv = [sys.executable, "-I", tracer.__file__, str(report), name, str(at), scope, *COMMAND]
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
        return Traced(**json.loads(report.read_text()), said=said.read_text())

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


def torture(scenario: Scenario, options: Options, scope: Scope = "tree", *, workers: int = _WORKERS) -> Outcome:
    """Kill before every `options.stride`-th of all the calls that a run of the scenario makes."""
    grounds = [Ground.prepare(scenario, options.folder / str(number)) for number in range(workers)]
    every = [(name, at) for name, count in sorted(grounds[0].counts.items()) for at in range(1, count + 1)]
    points = every[options.seed % min(options.stride, len(every)) :: options.stride]
    turns = iter(points)
    turn = threading.Lock()
    tried: list[int] = []
    found: list[str] = []

    def work(ground: Ground) -> None:
        while True:
            with turn:
                point = next(turns, None)
            if point is None:
                return
            lines = _lines_of(ground, *point, scope)
            if lines is not None:
                tried.append(1)
                found.extend(lines)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, grounds))
    reached = f"{len(tried)} of {len(every)} calls"
    return Outcome(
        len(tried),
        tuple(found),
        f"{reached}, {len(points) - len(tried)} not reached, of {len(grounds[0].counts)} names",
    )


def _lines_of(ground: Ground, name: str, at: int, scope: Scope) -> list[str] | None:
    """The violations of one kill, each with its point."""
    try:
        lines = ground.kill(name, at, scope)
    except (AssertionError, subprocess.SubprocessError) as error:
        lines = [str(error)]
    return None if lines is None else [f"{ground.scenario.name}, before {name} {at}: {line}" for line in lines]


def _copy(paths: Sequence[Path], to: Path) -> None:
    if paths:
        subprocess.run(["cp", "-a", "--", *paths, to], check=True)


def _rows() -> Iterator[Row]:
    for scenario in SCENARIOS:
        about = f"{scenario.about}: all of it killed before every call that writes"
        yield Row(f"killed-{scenario.name}", about, lambda options, scenario=scenario: torture(scenario, options))
    for scenario in SCENARIOS[:3]:
        about = f"{scenario.about}: one process killed before every call that writes"
        yield Row(
            f"lost-{scenario.name}", about, lambda options, scenario=scenario: torture(scenario, options, "process")
        )


ROWS = tuple(_rows())
