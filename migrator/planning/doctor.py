"""What speaks against running from this machine: one rule a question, each with what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from migrator.domain.reports import Finding
from migrator.planning.machine import Machine, Version, look, version_in

Rule = Callable[[Machine], Finding]

_OLDEST_PYTHON = (3, 11)
_OLDEST_SQLITE = (3, 35)  # RETURNING
_OLDEST_SSH = (7, 4)  # before it, options we always give are unknown and end the connection
_OLDEST_KERNEL = (5, 8)  # before it, syncfs keeps write errors to itself
_FEWEST_OPEN_FILES = 1024
_LITTLE_SPACE = 1_000_000_000
_NO_SPACE = 50_000_000
# SQLite's WAL needs memory shared by all its readers, and our locks need flock: neither can be trusted over a network.
_NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "gfs2", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "smb3", "smbfs"}
    | {"fuse.ceph", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs"}
)
_MEMORY = frozenset({"tmpfs", "ramfs"})


def examine(state: Path) -> list[Finding]:
    """One finding a rule about this machine and the state folder `state`: errors, warnings, and notes of what is well.

    Reads only; `state` need not exist.
    """
    machine = look(state)
    return [rule(machine) for rule in RULES]


def _python(machine: Machine) -> Finding:
    return _at_least("python", "Python", machine.python, _OLDEST_PYTHON)


def _sqlite(machine: Machine) -> Finding:
    return _at_least("sqlite", "SQLite", machine.sqlite, _OLDEST_SQLITE)


def _at_least(rule: str, what: str, found: Version, wanted: Version) -> Finding:
    if found < wanted:
        return Finding(
            rule, "error", f"{what} {_dotted(found)} is too old", f"install {what} {_dotted(wanted)} or newer"
        )
    return Finding(rule, "note", f"{what} {_dotted(found)}")


def _ssh(machine: Machine) -> Finding:
    hint = "install the package openssh-client; until then the paramiko connector is used"
    if machine.ssh is None:
        return Finding("ssh", "warning", "there is no OpenSSH client, or it does not start", hint)
    if version_in(machine.ssh) < _OLDEST_SSH:
        hint = f"install OpenSSH {_dotted(_OLDEST_SSH)} or newer, or write `connector: paramiko` in the plan"
        return Finding("ssh", "warning", f"the OpenSSH client is too old: {machine.ssh}", hint)
    return Finding("ssh", "note", machine.ssh)


def _ssh_keygen(machine: Machine) -> Finding:
    if not machine.has_ssh_keygen:
        hint = "install the package openssh-client, or pin `host_keys` in the plan"
        return Finding("ssh-keygen", "warning", "there is no ssh-keygen to look hosts up in known_hosts", hint)
    return Finding("ssh-keygen", "note", "ssh-keygen is there")


def _kernel(machine: Machine) -> Finding:
    if machine.kernel < _OLDEST_KERNEL:
        return Finding(
            "kernel",
            "warning",
            f"Linux {_dotted(machine.kernel)} does not report all write errors of a local target",
            f"use Linux {_dotted(_OLDEST_KERNEL)} or newer where targets are local",
        )
    return Finding("kernel", "note", f"Linux {_dotted(machine.kernel)}")


def _openat2(machine: Machine) -> Finding:
    if not machine.has_openat2:
        return Finding(
            "openat2",
            "note",
            "openat2 is not to be had: paths at a local target are resolved component by component, which is slower",
        )
    return Finding("openat2", "note", "openat2 keeps writes below the root of a local target")


def _locale(machine: Machine) -> Finding:
    if machine.encoding.replace("-", "") != "utf8":
        return Finding(
            "locale",
            "warning",
            f"the locale's encoding is {machine.encoding}: names of files are carried unchanged, but shown escaped",
            "export LC_ALL=C.UTF-8",
        )
    return Finding("locale", "note", "the locale shows names in UTF-8")


def _open_files(machine: Machine) -> Finding:
    if 0 <= machine.open_files < _FEWEST_OPEN_FILES:  # -1 stands for no limit
        return Finding(
            "open-files",
            "warning",
            f"only {machine.open_files} files may be open at once",
            f"ulimit -n {_FEWEST_OPEN_FILES}",
        )
    shown = "any number of" if machine.open_files < 0 else f"{machine.open_files}"
    return Finding("open-files", "note", f"{shown} files may be open at once")


def _state_folder(machine: Machine) -> Finding:
    state = machine.state
    hint = "name another folder with --state"
    if not state.is_folder:
        return Finding("state-folder", "error", f"`{state.stands_in}` is not a folder", hint)
    if not state.is_writable:
        return Finding("state-folder", "error", f"`{state.stands_in}` cannot be written", hint)
    if not state.exists:
        return Finding("state-folder", "note", f"`{state.path}` is not there yet and will be made")
    return Finding("state-folder", "note", f"`{state.path}` can be written")


def _state_privacy(machine: Machine) -> Finding:
    state = machine.state
    if not state.exists:
        return Finding("state-privacy", "note", "the state folder will belong to this user alone")
    if machine.uid not in (state.owner_uid, 0):
        return Finding(
            "state-privacy",
            "error",
            f"`{state.path}` belongs to another user (uid {state.owner_uid})",
            "run as that user, or name another folder with --state",
        )
    if state.mode & 0o022:
        return Finding(
            "state-privacy",
            "warning",
            f"`{state.path}` can be written by others (mode {state.mode:04o})",
            f"chmod go-w {state.path}",
        )
    return Finding("state-privacy", "note", "nobody else can write to the state folder")


def _state_space(machine: Machine) -> Finding:
    free = machine.state.free_bytes
    severity: Literal["error", "warning", "note"] = "note"
    if free < _LITTLE_SPACE:
        severity = "error" if free < _NO_SPACE else "warning"
    return Finding(
        "state-space",
        severity,
        f"{free / 1e6:,.0f} MB are free for the state folder",
        None if severity == "note" else "make room there, or name another folder with --state",
    )


def _state_file_system(machine: Machine) -> Finding:
    kind = machine.state.file_system
    hint = "keep the state on a local disk; name it with --state"
    if kind is None:
        return Finding("state-file-system", "warning", "the state folder's file system cannot be told", hint)
    if kind in _NETWORK:
        sentence = f"the state folder is on a network file system ({kind}): locks and the journal need a local one"
        return Finding("state-file-system", "warning", sentence, hint)
    if kind in _MEMORY:
        sentence = f"the state folder is in memory ({kind}): a restart of this machine forgets every step"
        return Finding("state-file-system", "warning", sentence, hint)
    return Finding("state-file-system", "note", f"the state folder is on {kind}")


def _dotted(version: Version) -> str:
    return ".".join(str(part) for part in version)


RULES: tuple[Rule, ...] = (
    _python,
    _sqlite,
    _ssh,
    _ssh_keygen,
    _kernel,
    _openat2,
    _locale,
    _open_files,
    _state_folder,
    _state_privacy,
    _state_space,
    _state_file_system,
)
