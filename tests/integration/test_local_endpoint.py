"""Commands on this machine: bounded in time, output, and in what they learn."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from migrator.domain.plan import EndpointSpec
from migrator.endpoints.contract import OUTPUT_LIMIT_BYTES
from migrator.endpoints.local_commands import environment_without_secrets
from migrator.endpoints.opening import open_endpoint
from tests.support.sshd import wait_for

HERE = open_endpoint(EndpointSpec("here"), {})


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("argv", "status", "stdout", "stderr"),
    [
        (["true"], 0, b"", b""),
        (["sh", "-c", "echo out; echo err >&2; exit 3"], 3, b"out\n", b"err\n"),
        (["printf", "%s|", "$(id)", "a b", "*", "'"], 0, b"$(id)|a b|*|'|", b""),
        (["cat"], 0, b"", b""),
        (["sh", "-c", "kill -9 $$"], 137, b"", b""),
        (["migrator-has-no-such-command"], 127, b"", b"migrator-has-no-such-command: not found"),
        (["/etc/passwd"], 126, b"", b"/etc/passwd: Permission denied"),
    ],
)
def test_how_a_command_ends_is_an_answer(argv: list[str], status: int, stdout: bytes, stderr: bytes) -> None:
    assert HERE.run(argv, 20) == (status, stdout, stderr)


def test_output_is_bounded_and_never_blocks_the_command() -> None:
    program = "import sys; sys.stdout.write('o' * 5_000_000); sys.stderr.write('e' * 5_000_000)"
    done = HERE.run([sys.executable, "-c", program], 60)
    assert done == (0, b"o" * OUTPUT_LIMIT_BYTES, b"e" * OUTPUT_LIMIT_BYTES)


@pytest.mark.parametrize("deafness", ["", "trap '' TERM; "])
def test_a_command_that_takes_too_long_is_ended_with_its_children(tmp_path: Path, deafness: str) -> None:
    pids = tmp_path / "pids"
    script = f"{deafness}echo begun; sleep 1000 & echo $! > {pids}; echo $$ >> {pids}; wait; sleep 1000"
    begun = time.monotonic()
    done = HERE.run(["sh", "-c", script], 0.5)
    assert done.status is None
    assert done.stdout == b"begun\n"
    assert time.monotonic() - begun < 50
    family = [int(pid) for pid in pids.read_text().split()]
    assert len(family) == 2
    wait_for(lambda: not any(map(is_alive, family)), "the command and its child are gone")


def test_a_daemon_that_keeps_the_output_open_is_not_waited_for(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    begun = time.monotonic()
    done = HERE.run(["sh", "-c", f"echo started; sleep 1000 & echo $! > {pid_file}"], 60)
    try:
        assert (done.status, done.stdout) == (0, b"started\n")
        assert time.monotonic() - begun < 50
    finally:
        os.kill(int(pid_file.read_text()), 9)


def test_a_command_that_closes_its_output_is_waited_for() -> None:
    assert HERE.run(["sh", "-c", "exec >&- 2>&-; sleep 0.2; exit 7"], 20).status == 7
    assert HERE.run(["sh", "-c", "exec >&- 2>&-; sleep 1000"], 0.3).status is None


def test_it_runs_in_a_session_of_its_own() -> None:
    program = "import os; print(os.getsid(0))"
    assert int(HERE.run([sys.executable, "-c", program], 20).stdout) != os.getsid(0)


def test_a_command_does_not_outlive_us_with_all_its_children(tmp_path: Path) -> None:
    """Else it could act after the next run has asked the probe."""
    pids = tmp_path / "pids"
    script = f"trap '' TERM HUP; sleep 1000 & echo $! > {pids}; echo $$ >> {pids}; wait"
    program = (
        f"from migrator.endpoints.local_commands import run_command\nrun_command(['sh', '-c', {script!r}], 1000)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program]) as migrator:
        wait_for(lambda: pids.exists() and pids.read_text().count("\n") == 2, "the command is under way")
        migrator.kill()
    family = [int(pid) for pid in pids.read_text().split()]
    wait_for(lambda: not any(map(is_alive, family)), "the command and its child are gone")


def test_a_broken_pipe_ends_a_command_in_silence_as_in_a_shell() -> None:
    assert HERE.run(["sh", "-c", "yes | head -n 1"], 20) == (0, b"y\n", b"")


def test_secrets_stay_out_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "s3cret")
    monkeypatch.setenv("WHAT_THE_HOOK_NEEDS", "kept")
    seen = HERE.run(["env"], 20).stdout
    assert b"s3cret" not in seen
    assert b"WHAT_THE_HOOK_NEEDS=kept" in seen
    assert b"PATH=" in seen


@pytest.mark.parametrize(
    "name",
    ["SSH_ASKPASS", "SUDO_ASKPASS", "GITHUB_TOKEN", "client_secret", "AWS_SECRET_ACCESS_KEY", "API_KEY", "PGPASSWORD"],
)
def test_names_that_speak_of_secrets(name: str) -> None:
    assert environment_without_secrets({name: "x"}) == {}


@pytest.mark.parametrize(
    "name", ["PATH", "HOME", "LANG", "LC_ALL", "SSH_AUTH_SOCK", "USER", "KEYBOARD", "MIGRATOR_STATE"]
)
def test_names_that_do_not(name: str) -> None:
    assert environment_without_secrets({name: "x"}) == {name: "x"}
