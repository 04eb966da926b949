"""A real OpenSSH server for a test: on a loopback port of its own, with its own keys, stopped by its pid."""

from __future__ import annotations

import atexit
import contextlib
import functools
import getpass
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from migrator.domain.plan import EndpointSpec, Ssh

SSHD = "/usr/sbin/sshd"
HOST = "127.0.0.1"
_START_TIME = 17  # in /proc/PID/stat (proc(5)), counted from the parent's pid


@dataclass(frozen=True)
class ClientKey:
    """A key pair: the file of the private half, and the public half as one line."""

    private: Path
    public: str


@dataclass(frozen=True)
class Account:
    """An account to log in with; as root one of our own, else the user's."""

    name: str
    data: Path  # a folder that the account may write; the jailed account sees it as `/data`
    jail: Path | None = None  # belongs to root all along, so fit for ChrootDirectory

    def jailed(self, *, read_only: bool) -> tuple[str, ...]:
        """Configuration lines for an account without a shell, locked into its jail."""
        assert self.jail is not None, "a jail needs root"
        return (f"ForceCommand internal-sftp{' -R' if read_only else ''}", f"ChrootDirectory {self.jail}")


@dataclass(frozen=True)
class Setup:
    """What makes one server differ from the usual one; `lines` win over the usual configuration."""

    account: Account
    client_key: ClientKey
    subsystem: str | None = "internal-sftp"  # `internal-sftp -R` never writes; None: no SFTP at all
    lines: tuple[str, ...] = ()
    host_key_type: str = "ed25519"


@dataclass
class Sshd:
    """A running server."""

    setup: Setup
    port: int
    folder: Path
    host_key: str  # "ssh-ed25519 AAAA..."
    process: subprocess.Popen[bytes] = field(repr=False)

    def log(self) -> str:
        """What the server has logged so far."""
        return (self.folder / "log").read_text(errors="replace")

    def has_started_or_failed(self) -> bool:
        """Whether it listens, or has given up."""
        return "Server listening on" in self.log() or self.process.poll() is not None

    def endpoint(self, connector: Literal["auto", "openssh", "paramiko"], name: str = "legacy") -> EndpointSpec:
        """The endpoint as a plan would write it, with the host key pinned and the client's key named."""
        ssh = Ssh(
            host=HOST,
            port=self.port,
            user=self.setup.account.name,
            identity_file=self.setup.client_key.private,
            host_keys=(self.host_key,),
        )
        return EndpointSpec(name=name, ssh=ssh, connector=connector, lane="sftp")

    def sessions(self) -> list[int]:
        """The pids of the processes that serve connections."""
        return descendants(self.process.pid)

    def kill_sessions(self) -> None:
        """End all connections as a crash of the server would; the listener goes on."""
        _kill(self.sessions())

    def start_again(self) -> None:
        """After `stop`: listen again, with the same keys at the same port; returns when it does."""
        (self.folder / "log").write_text("")
        self.process = _start(self.setup, self.folder, self.port)
        wait_for(self.has_started_or_failed, "sshd listens again")
        assert self.process.poll() is None, self.log()

    def stop(self) -> None:
        """End the listener and all connections; may be called twice."""
        sessions = self.sessions()
        self.process.terminate()
        self.process.wait(60)
        _kill(sessions)


@contextlib.contextmanager
def running_sshd(setup: Setup) -> Iterator[Sshd]:
    """A server that listens when this returns."""
    # Not pytest's tmp_path: the server reads the keys as the account that logs in, which must get that far.
    folder = Path(tempfile.mkdtemp(prefix="migrator-sshd-"))
    folder.chmod(0o711)
    try:
        host_key = make_key(folder / "host_key", setup.host_key_type).public
        (folder / "authorized_keys").write_text(setup.client_key.public + "\n")
        server = _listening(setup, folder, host_key)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def own_account() -> Iterator[Account]:
    """As root a new unprivileged account with a shell and a jail, removed afterwards; else the user's own."""
    if os.geteuid() != 0:
        with tempfile.TemporaryDirectory(prefix="migrator-account-") as data:
            yield Account(getpass.getuser(), Path(data))
        return
    name = f"migrator-{secrets.token_hex(4)}"
    # Below /srv, since a jail may not lie below a folder that others can write.
    base = Path("/srv") / name
    base.mkdir(mode=0o755, parents=True)
    try:
        home, jail = base / "home", base / "jail"
        _locked("useradd", "--home-dir", str(home), "--create-home", "--shell", "/bin/sh", name)
        try:
            _locked("usermod", "--password", "*", name)  # `!` would be a locked account, which sshd turns away
            user = pwd.getpwnam(name)
            jail.mkdir(mode=0o755)
            (jail / "data").mkdir()
            os.chown(jail / "data", user.pw_uid, user.pw_gid)
            yield Account(name, jail / "data", jail)
        finally:
            _locked("userdel", "--force", name)
    finally:
        shutil.rmtree(base)


def make_key(path: Path, key_type: str = "ed25519") -> ClientKey:
    """A new key pair without a passphrase at `path` and `path`.pub."""
    subprocess.run(["ssh-keygen", "-q", "-t", key_type, "-N", "", "-C", "", "-f", str(path)], check=True)
    return ClientKey(path, " ".join(Path(f"{path}.pub").read_text().split()[:2]))


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Return as soon as `condition` holds; fail with `what` was awaited after `seconds`, enough for a slow machine."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def descendants(pid: int) -> list[int]:
    """All living children of a process, then theirs, and so on; each generation in the order in which it was born."""
    parents: dict[int, int] = {}
    births: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended while we looked
            state, parent, *others = stat.read_text().rpartition(")")[2].split()
            if state != "Z":
                parents[int(stat.parent.name)] = int(parent)
                births[int(stat.parent.name)] = int(others[_START_TIME])
    found: list[int] = []
    layer = {pid}
    while layer:
        layer = {child for child, parent in parents.items() if parent in layer}
        found += sorted(layer, key=lambda child: (births[child], child))
    return found


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@functools.cache
def dead_port() -> int:
    """A loopback port at which nobody listens, nor can while this process lives: it is taken, and refuses."""
    holder = socket.socket()
    atexit.register(holder.close)
    holder.bind((HOST, 0))
    port: int = holder.getsockname()[1]
    return port


def _listening(setup: Setup, folder: Path, host_key: str) -> Sshd:
    for _ in range(5):
        port = free_port()
        (folder / "log").write_text("")
        process = _start(setup, folder, port)
        server = Sshd(setup, port, folder, host_key, process)
        wait_for(server.has_started_or_failed, "sshd listens")
        if process.poll() is None:
            return server
        if "Address already in use" not in server.log():
            raise RuntimeError(f"sshd did not start:\n{server.log()}")
    raise RuntimeError("no free port found for sshd")


def _start(setup: Setup, folder: Path, port: int) -> subprocess.Popen[bytes]:
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # privilege separation wants it
    (folder / "config").write_text("\n".join(_configuration(setup, folder, port)) + "\n")
    command = [SSHD, "-D", "-f", str(folder / "config"), "-E", str(folder / "log")]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _configuration(setup: Setup, folder: Path, port: int) -> list[str]:
    usual = {
        "Port": str(port),
        "ListenAddress": HOST,
        "HostKey": str(folder / "host_key"),
        "AuthorizedKeysFile": str(folder / "authorized_keys"),
        "StrictModes": "no",
        "UsePAM": "no",
        "PidFile": "none",
        "LogLevel": "DEBUG1",
        "PermitRootLogin": "prohibit-password",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "UseDNS": "no",
        "MaxStartups": "100",
    }
    if setup.subsystem is not None:
        usual["Subsystem"] = f"sftp {setup.subsystem}"
    if _version() >= (9, 8):
        usual["PerSourcePenalties"] = "no"
    for line in setup.lines:
        usual.pop(line.split()[0], None)
    return [*setup.lines, *(f"{keyword} {value}" for keyword, value in usual.items())]


@functools.cache
def _version() -> tuple[int, ...]:
    answer = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr
    found = re.match(r"OpenSSH_(\d+)\.(\d+)", answer)
    assert found is not None, answer
    return tuple(int(part) for part in found.groups())


def _locked(*command: str) -> None:
    """Run a command that may find the account files locked by another test process."""
    answer = ""

    def has_worked() -> bool:
        nonlocal answer
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        answer = done.stderr
        if done.returncode != 0 and "lock" not in answer:
            raise RuntimeError(f"{' '.join(command)}: {answer}")
        return done.returncode == 0

    wait_for(has_worked, f"{command[0]} gets the lock")


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it ended by itself
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(_is_alive(pid) for pid in pids), "the connections have ended")


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
