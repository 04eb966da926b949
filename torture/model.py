"""Whatever people do to one application, in any order: what users wrote is always there, where users are.

The model knows three things: what users wrote, whether they may write, and where they are. Everything else is looked up
in the world after each step: the flags of freeze and switch, the source, and the target.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.support.cli import Cli
from tests.support.moves import Move
from tests.support.plans import flag_switch
from tests.support.sshd import descendants, wait_for
from torture.rows import Options, Outcome, Row

EXAMPLES, STEPS = 200, 20
_IN_ORDER = frozenset({0, 3, 4})  # done, incomplete, held or refused: never a bug, a lost state, a safety stop
CONVERGES = 4  # so many runs at most until users are at the target

_PATHS = st.sampled_from(["a", "b", "folder/a", "folder/deeper/b"])
_CONTENTS = st.binary(max_size=40)
_GOALS = st.sampled_from(["checked", "seeded", "frozen", "synced", "verified", "switched-over"])
_COMMANDS = st.sampled_from(
    [("run", "--yes"), ("run", "--until", "seeded"), ("roll-back", "--yes"), ("fall-back", "--yes")]
)
_JUMPS = st.sampled_from([-400, -1, 1, 400])  # days

# Loaded by every Python that has this file's folder on its path: the clock of that process is wrong.
_WRONG_CLOCK = """\
import datetime
import os
import time

DAYS = int(os.environ["CLOCK_IS_WRONG_BY_DAYS"])
right = time.time


class datetime_(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(days=DAYS)


datetime.datetime = datetime_
time.time = lambda: right() + 86400 * DAYS
"""


class Moving(RuleBasedStateMachine):
    """One application on this machine, its users, and its operators."""

    steps: ClassVar[int] = 0  # of all machines so far

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="migrator-model-"))
        self.move = Move(self.folder, self.folder / "source", self.folder / "target")
        self.move.source.mkdir()
        (self.move.source / "stays").write_bytes(b"")  # a source that is suddenly empty is a story of its own
        self.written: dict[str, bytes] = {"stays": b""}
        self.days = 0  # by which the clock is wrong
        self.is_recorded = False  # whether a run has recorded the plan
        (self.folder / "clock").mkdir()
        (self.folder / "clock" / "sitecustomize.py").write_text(_WRONG_CLOCK)
        self._write_plan()

    @property
    def users_are_at(self) -> Path:
        """The root that users read and write."""
        return self.move.target if self.move.switched.exists() else self.move.source

    @property
    def may_write(self) -> bool:
        """Whether users can write: not while the source is frozen, unless they were sent on."""
        return self.move.switched.exists() or not self.move.frozen.exists()

    @precondition(lambda self: self.may_write)
    @rule(path=_PATHS, content=_CONTENTS)
    def write(self, path: str, content: bytes) -> None:
        """A user writes a file."""
        file = self.users_are_at / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        self.written[path] = content

    @precondition(lambda self: self.may_write and len(self.written) > 1)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """A user deletes a file."""
        path = data.draw(st.sampled_from(sorted(self.written.keys() - {"stays"})))
        (self.users_are_at / path).unlink()
        del self.written[path]

    @rule(goal=_GOALS)
    def run(self, goal: str) -> None:
        """A run up to a phase; nothing happens when it lies behind."""
        self._do("run", "--until", goal, "--yes")

    @rule()
    def verify(self) -> None:
        """Both are compared, whatever the phase."""
        self._do("verify")

    @rule()
    def roll_back(self) -> None:
        """Back before the switch."""
        self._do("roll-back", "--yes")

    @rule()
    def fall_back(self) -> None:
        """Back after it; what users wrote at the target comes home."""
        self._do("fall-back", "--yes")

    @rule(command=_COMMANDS, lines=st.integers(0, 30))
    def crash(self, command: tuple[str, ...], lines: int) -> None:
        """A command is killed after some of its lines."""
        verb, *options = command
        with self._cli.started(verb, *options, "--json") as process:
            assert process.stdout is not None
            for _ in range(lines):
                if not process.stdout.readline():
                    break
            children = descendants(process.pid)
            os.kill(process.pid, signal.SIGKILL)
            process.wait(30)
        wait_for(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in children), "the movers leave", 30)

    @rule()
    def two_at_once(self) -> None:
        """The second run is turned away while the first is held in the middle of a step; then the first goes on."""
        with self._cli.started("run", "--yes", "--json") as first:
            assert first.stdout is not None
            if any(json.loads(line)["event"] == "step.started" for line in first.stdout):
                os.kill(first.pid, signal.SIGSTOP)
                try:
                    self._do("run", "--yes", expect={0, 6} if first.poll() is None else _IN_ORDER)
                finally:
                    os.kill(first.pid, signal.SIGCONT)
                first.stdout.read()
            first.wait(60)

    @rule(days=_JUMPS)
    def clock_jumps(self, days: int) -> None:
        """From here on the clock of this machine is so many days wrong."""
        self.days = days

    @precondition(lambda self: self.is_recorded)
    @rule()
    def edit_plan(self) -> None:
        """Nothing runs by a plan that nobody has accepted; afterwards it is as it was."""
        self._write_plan(exclude=["*.tmp"])
        before = self._flags()
        self._do("run", "--yes", expect={7})
        assert self._flags() == before
        self._write_plan()

    @invariant()
    def what_users_wrote_is_where_they_are(self) -> None:
        """The promise."""
        assert _content(self.users_are_at) == self.written
        Moving.steps += 1

    def teardown(self) -> None:
        """With a clock that is right, the same two commands bring users to the target, whatever went before."""
        try:
            self.days = 0
            for _ in range(CONVERGES):
                if self._do("run", "--yes") == 0 and self.move.switched.exists():
                    break
                self._do("fall-back", "--yes")  # one that was begun must be finished first
            assert self.move.switched.exists(), self._said()
            assert _content(self.move.target) == self.written
        finally:
            shutil.rmtree(self.folder)

    @property
    def _cli(self) -> Cli:
        plan, state = self.folder / "plan.yaml", self.folder / "state"
        if not self.days:
            return Cli(plan, state, {})
        path = os.pathsep.join([str(self.folder / "clock"), os.environ.get("PYTHONPATH", "")])
        return Cli(plan, state, {"PYTHONPATH": path, "CLOCK_IS_WRONG_BY_DAYS": str(self.days)})

    def _do(self, command: str, *options: str, expect: frozenset[int] | set[int] = _IN_ORDER) -> int:
        """Type a command, and see it end in one of these ways."""
        with self._cli.started(command, *options) as process:
            process.communicate(timeout=90)
        assert process.returncode in expect, f"{command} {options}: {process.returncode}\n{self._said()}"
        self.is_recorded = self.is_recorded or command == "run"
        return process.returncode

    def _said(self) -> str:
        return (self.folder / "stderr.txt").read_text()[-4000:]

    def _flags(self) -> tuple[bool, bool]:
        return self.move.frozen.exists(), self.move.switched.exists()

    def _write_plan(self, exclude: Sequence[str] = ()) -> None:
        dataset = {"max_deletions": "100%", "exclude": list(exclude)}
        switch = [flag_switch(self.move.switched)]
        self.move.cli(dataset=dataset, switch=switch, fall_back={"source_write": True})


def _content(root: Path) -> dict[str, bytes]:
    """What users see below a root."""
    files = (path for path in root.rglob("*") if path.is_file() and not path.name.startswith(".migrator-"))
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def run_model(examples: int, steps: int = STEPS, *, is_repeatable: bool = False) -> None:
    """Let people do so many sequences of things; AssertionError with the shortest sequence that breaks the promise."""
    run_state_machine_as_test(
        Moving,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            derandomize=is_repeatable,
            suppress_health_check=list(HealthCheck),
        ),
    )


def _run(options: Options) -> Outcome:
    Moving.steps = 0
    examples = options.count(EXAMPLES)
    try:
        run_model(examples)
    except AssertionError as error:
        return Outcome(Moving.steps, (f"{error} {' / '.join(getattr(error, '__notes__', []))}",))
    return Outcome(Moving.steps, words=f"{examples} sequences of up to {STEPS} things people do")


ROWS = (
    Row(
        "model",
        "writes, copies, freezes, switches, ways back, kills, wrong clocks, second runs and edited plans in any order:"
        " what users wrote is where they are, and a plain run ends the move",
        _run,
    ),
)
