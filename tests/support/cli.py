"""The real command in a process of its own, as a user types it."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.warm import WarmInterpreter

COMMAND = (sys.executable, "-m", "migrator")
_of_this_thread = threading.local()
Json = dict[str, Any]

# What a user's shell may have set and a test must not depend on.
_UNWANTED = frozenset({"MIGRATOR_STATE", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM", "SSH_AUTH_SOCK"})


@dataclass(frozen=True)
class Outcome:
    """How one command ended, and what it said."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    @property
    def is_json(self) -> bool:
        """Whether JSON lines were asked for."""
        return "--json" in self.argv

    def lines(self) -> list[Json]:
        """What `--json` printed; fails when there is anything on stdout that is not a line of JSON."""
        return [parsed(line) for line in self.stdout.splitlines()]

    def events(self, name: str) -> list[Json]:
        """The events called `name`, in their order; `item.` at its end stands for all that begin so."""
        return [
            line
            for line in self.lines()
            if line.get("event") == name or (name.endswith(".") and str(line.get("event")).startswith(name))
        ]

    def __str__(self) -> str:
        return f"{' '.join(self.argv)}\nexit {self.code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


def parsed(line: str) -> Json:
    """One line of JSON as a mapping."""
    value = json.loads(line)
    assert isinstance(value, dict), line
    return value


@dataclass(frozen=True)
class Cli:
    """The command line with one plan and one state folder."""

    plan: Path
    state: Path
    environment: Mapping[str, str]
    folder: Path | None = None  # the working directory; None: that of the test

    def __call__(self, command: str, *options: str, expect: int = 0, timeout_seconds: float = 90) -> Outcome:
        """Run `migrator COMMAND PLAN OPTIONS` to its end; fails unless it exits with `expect`, and says so properly."""
        arguments = [command, str(self.plan), *options, *self._where()]
        return run(arguments, self._environment(), expect, timeout_seconds, self.folder)

    @contextlib.contextmanager
    def started(self, command: str, *options: str) -> Iterator[subprocess.Popen[str]]:
        """The same as a process that is under way, its stdout to be read line by line; killed at the end."""
        argv = [*COMMAND, command, str(self.plan), *options, *self._where()]
        with (
            open(self.plan.with_name("stderr.txt"), "a+", encoding="utf-8") as stderr,
            subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                cwd=self.folder,
                env=self._environment(),
                start_new_session=True,
            ) as process,
        ):
            try:
                yield process
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)

    def phases(self) -> dict[str, str]:
        """The phase of every application, as `status --json` tells it."""
        return {name: str(line["phase"]) for name, line in self.applications().items()}

    def applications(self) -> dict[str, Json]:
        """What `status --json` tells of every application, by its name."""
        lines = self("status", "--json").lines()
        return {str(line["application"]): line for line in lines if "application" in line}

    def items(self) -> list[Json]:
        """Every line of `export`."""
        return self("export").lines()

    def _where(self) -> list[str]:
        return ["--state", str(self.state)]

    def _environment(self) -> dict[str, str]:
        return {**clean_environment(), **self.environment}


def clean_environment() -> dict[str, str]:
    """The environment without what would make a test depend on who starts it."""
    return {name: value for name, value in os.environ.items() if name not in _UNWANTED}


def run(
    arguments: list[str],
    environment: Mapping[str, str],
    expect: int,
    timeout_seconds: float = 90,
    folder: Path | None = None,
) -> Outcome:
    """Run `migrator ARGUMENTS`; fails unless it exits with `expect`, without a traceback, an error with its hint."""
    finished = _finished(arguments, environment, timeout_seconds, folder)
    outcome = Outcome(("migrator", *arguments), finished.returncode, finished.stdout, finished.stderr)
    assert outcome.code == expect, str(outcome)
    assert "Traceback" not in outcome.stderr + outcome.stdout, str(outcome)
    if expect not in (0, 12):
        said = [line.strip().partition(" ")[0] for line in (outcome.stderr + outcome.stdout).splitlines()]
        is_told = (
            any(line.get("error") or line.get("message") or line.get("severity") == "error" for line in outcome.lines())
            if outcome.is_json
            else False
        )
        assert is_told or {"error:", "hint:"} <= set(said), str(outcome)
    return outcome


def _finished(
    arguments: list[str], environment: Mapping[str, str], timeout_seconds: float, folder: Path | None
) -> subprocess.CompletedProcess[str]:
    interpreter = warm_interpreter()
    if folder is None and interpreter.can_run(environment):
        return interpreter.run("migrator", arguments, environment, timeout_seconds)
    return subprocess.run(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=folder,
        env=dict(environment),
        timeout=timeout_seconds,
        check=False,
    )


def warm_interpreter() -> WarmInterpreter:
    """The one of this thread, started when it is first asked for."""
    found: WarmInterpreter | None = getattr(_of_this_thread, "interpreter", None)
    if found is None:
        found = _of_this_thread.interpreter = WarmInterpreter(clean_environment())
        atexit.register(found.close)
    return found
