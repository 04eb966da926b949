"""What this machine is like, as facts: read once, judged elsewhere."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_OPENAT2 = 437  # the same number on every architecture: include/uapi/asm-generic/unistd.h
_ANSWER_SECONDS = 10

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StatePlace:
    """The state folder, or the nearest folder above it when it is not there yet."""

    path: Path  # as it was asked for
    stands_in: Path  # what the other facts are about: `path` itself, or the nearest thing above it that exists
    is_folder: bool
    is_writable: bool
    owner_uid: int
    mode: int  # permission bits
    free_bytes: int
    file_system: str | None  # as the kernel names it ("ext4", "nfs4"); None when it cannot be told

    @property
    def exists(self) -> bool:
        """Whether the state folder itself is there."""
        return self.path == self.stands_in


@dataclass(frozen=True, slots=True)
class Machine:
    """Everything the doctor looks at."""

    python: Version
    sqlite: Version
    kernel: Version
    ssh: str | None  # what `ssh -V` says; None when there is no ssh
    has_ssh_keygen: bool
    has_openat2: bool
    encoding: str  # of file names and of what is shown
    open_files: int  # the soft limit
    uid: int
    state: StatePlace


def look(state: Path) -> Machine:
    """The facts of this machine and of the place of its state folder; changes nothing."""
    return Machine(
        python=tuple(sys.version_info[:3]),
        sqlite=sqlite3.sqlite_version_info,
        kernel=version_in(os.uname().release),
        ssh=_ssh_version(),
        has_ssh_keygen=shutil.which("ssh-keygen") is not None,
        has_openat2=_has_openat2(),
        encoding=sys.getfilesystemencoding().lower(),
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        uid=os.geteuid(),
        state=_state_place(state),
    )


def version_in(text: str) -> Version:
    """The first dotted number in `text`, as a tuple; empty when there is none."""
    found = re.search(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def file_system_of(path: Path, mounts: Iterable[str]) -> str | None:
    """The type of the file system that holds `path`, from lines of /proc/self/mountinfo (man 5 proc_pid_mountinfo)."""
    best: tuple[int, str] | None = None
    for line in mounts:
        before, _, after = line.partition(" - ")
        fields, rest = before.split(), after.split()
        if len(fields) < 5 or not rest:
            continue
        mount_point = Path(_unescaped(fields[4]))
        depth = len(mount_point.parts)
        # A later mount at the same place hides the earlier one.
        if path.is_relative_to(mount_point) and (best is None or depth >= best[0]):
            best = (depth, rest[0])
    return best[1] if best else None


def _unescaped(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def _ssh_version() -> str | None:
    try:
        answer = subprocess.run(
            ["ssh", "-V"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stderr.decode("ascii", "replace").strip() if answer.returncode == 0 else None


def _has_openat2() -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    # A structure of size 0 is never valid, so a kernel that has the call says EINVAL and opens nothing. Old kernels
    # say ENOSYS, and so do container runtimes that do not know it (or EPERM).
    libc.syscall(_OPENAT2, -1, b"", None, 0)
    return ctypes.get_errno() == errno.EINVAL


def _state_place(state: Path) -> StatePlace:
    path = Path(os.path.realpath(state))
    stands_in = next(each for each in (path, *path.parents) if os.path.exists(each))
    facts, space = stands_in.stat(), os.statvfs(stands_in)
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # no /proc in this container: the type stays unknown, and the doctor says so
        mounts = []
    return StatePlace(
        path=path,
        stands_in=stands_in,
        is_folder=stands_in.is_dir(),
        is_writable=os.access(stands_in, os.W_OK | os.X_OK),
        owner_uid=facts.st_uid,
        mode=facts.st_mode & 0o7777,
        free_bytes=space.f_bavail * space.f_frsize,
        file_system=file_system_of(stands_in, mounts),
    )
