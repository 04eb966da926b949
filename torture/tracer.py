"""Run a command, and kill it right before the k-th call of one name by any of its processes and threads.

strace can inject a signal as well, but counts the calls of each thread apart: its k-th call names no one moment of a
run that has a coordinator and movers. Here one count goes over all of them, and everything dies at that moment, as in
a power cut. A seccomp filter stops only at calls that change what lies on a disk (openat: only where it creates or
cuts), so the rest runs at full speed. Sources: ptrace(2), seccomp(2), and the kernel's tables of system calls.

A program of its own, since it waits for every child: `python -I tracer.py REPORT NAME K SCOPE COMMAND...`. What it saw
is in the file REPORT as JSON. With a K of 0 nothing is killed.
"""

from __future__ import annotations

import collections
import ctypes
import errno
import json
import os
import platform
import signal
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

_X86_64 = {
    "write": 1, "open": 2, "pwrite64": 18, "writev": 20, "msync": 26, "sendfile": 40, "fsync": 74, "fdatasync": 75,
    "truncate": 76, "ftruncate": 77, "rename": 82, "mkdir": 83, "rmdir": 84, "creat": 85, "link": 86, "unlink": 87,
    "symlink": 88, "chmod": 90, "fchmod": 91, "chown": 92, "fchown": 93, "lchown": 94, "sync": 162, "setxattr": 188,
    "lsetxattr": 189, "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199, "utimes": 235,
    "openat": 257, "mkdirat": 258, "mknodat": 259, "fchownat": 260, "futimesat": 261, "unlinkat": 263, "renameat": 264,
    "linkat": 265, "symlinkat": 266, "fchmodat": 268, "sync_file_range": 277, "utimensat": 280, "fallocate": 285,
    "pwritev": 296, "syncfs": 306, "renameat2": 316, "copy_file_range": 326, "pwritev2": 328, "fchmodat2": 452,
}  # fmt: skip
_AARCH64 = {
    "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16,
    "mknodat": 33, "mkdirat": 34, "unlinkat": 35, "symlinkat": 36, "linkat": 37, "renameat": 38, "truncate": 45,
    "ftruncate": 46, "fallocate": 47, "fchmod": 52, "fchmodat": 53, "fchownat": 54, "fchown": 55, "openat": 56,
    "write": 64, "writev": 66, "pwrite64": 68, "pwritev": 70, "sendfile": 71, "sync": 81, "fsync": 82, "fdatasync": 83,
    "sync_file_range": 84, "utimensat": 88, "msync": 227, "syncfs": 267, "renameat2": 276, "copy_file_range": 285,
    "pwritev2": 287, "fchmodat2": 452,
}  # fmt: skip
_MACHINES = {"x86_64": (0xC000_003E, _X86_64), "aarch64": (0xC000_00B7, _AARCH64)}  # linux/audit.h
# Where the flags of an opening are among its arguments; openat2 hides them, and makes what openat could not.
_FLAGS_AT = {"open": 1, "openat": 2}
_WRITES = os.O_CREAT | os.O_TRUNC

# linux/filter.h, linux/seccomp.h
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _TRACE = 0x7FFF_0000, 0x7FF0_0000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
# linux/ptrace.h
_CONT, _SEIZE, _GETEVENTMSG, _LISTEN = 7, 0x4206, 0x4201, 0x4208
_FORKS_AND_EXECS, _SECCOMP_STOPS, _EXIT_KILLS = 0x2 | 0x4 | 0x8 | 0x10, 0x80, 0x10_0000
_AT_SECCOMP, _AT_STOP = 7, 128
_WALL = 0x4000_0000
_GROUP_STOPS = frozenset({signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


class _Program(ctypes.Structure):
    """A filter, a `struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


class Tracer:
    """One command and all that it starts."""

    def __init__(self, kill_name: str, kill_at: int, scope: str) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self.killed: str | None = None  # the call that was never made
        self._architecture, calls = _MACHINES[platform.machine()]
        self._calls = list(calls.items())
        self._kill = (kill_name, kill_at)
        self._kills_all = scope == "tree"
        self._alive: set[int] = set()

    def run(self, argv: list[str]) -> int:
        """Run it to its end, or to its death; its exit code, negative for a signal."""
        ready, go = os.pipe()
        child = os.fork()
        if child == 0:
            self._become(argv, ready, go)
        os.close(ready)
        options = _FORKS_AND_EXECS | _SECCOMP_STOPS | _EXIT_KILLS
        if _libc.ptrace(_SEIZE, child, None, options) != 0:
            raise OSError(ctypes.get_errno(), "ptrace(SEIZE)")
        self._alive.add(child)
        os.close(go)
        return self._watch(child)

    def _become(self, argv: list[str], ready: int, go: int) -> None:
        """In the child: wait until it is watched, then turn into the command."""
        try:
            os.close(go)
            os.read(ready, 1)
            program = b"".join(self._filter())
            _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            if _libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(_Program(len(program) // 8, program)), 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "prctl(SECCOMP)")
            os.execvp(argv[0], argv)  # noqa: S606 - what is run is what the caller wants traced
        finally:
            os._exit(127)

    def _filter(self) -> Iterator[bytes]:
        """The stops at calls that write, each with its place in the list of calls."""
        number, machine, first_argument = 0, 4, 16  # offsets in struct seccomp_data
        yield _op(_LOAD, machine)
        yield _op(_EQUAL, self._architecture, 1, 0)
        yield _op(_RETURN, _ALLOW)
        yield _op(_LOAD, number)
        for place, (name, call) in enumerate(self._calls):
            if name not in _FLAGS_AT:
                yield _op(_EQUAL, call, 0, 1)
            else:
                yield _op(_EQUAL, call, 0, 4)
                yield _op(_LOAD, first_argument + 8 * _FLAGS_AT[name])
                yield _op(_ANY_BIT, _WRITES, 1, 0)
                yield _op(_RETURN, _ALLOW)
            yield _op(_RETURN, _TRACE | place)
        yield _op(_RETURN, _ALLOW)

    def _watch(self, child: int) -> int:
        """Until nothing of it is alive."""
        code = 0
        while self._alive:
            try:
                pid, status = os.waitpid(-1, _WALL)
            except ChildProcessError:
                break
            if os.WIFSTOPPED(status):
                self._alive.add(pid)
                self._stopped(pid, os.WSTOPSIG(status), status >> 16)
            else:
                self._alive.discard(pid)
                code = os.waitstatus_to_exitcode(status) if pid == child else code
        return code

    def _stopped(self, pid: int, number: int, event: int) -> None:
        if event == _AT_SECCOMP:
            if self._is_the_one(pid):
                self._slay(pid)
                return
            _go_on(pid)
        elif event == _AT_STOP and number in _GROUP_STOPS:
            _ask(_LISTEN, pid)
        else:
            _go_on(pid, 0 if event else number)

    def _is_the_one(self, pid: int) -> bool:
        place = ctypes.c_ulong()
        _ask(_GETEVENTMSG, pid, ctypes.addressof(place))
        name = self._calls[place.value][0]
        self.counts[name] += 1
        return self.killed is None and (name, self.counts[name]) == self._kill

    def _slay(self, pid: int) -> None:
        self.killed = self._kill[0]
        for each in sorted(self._alive) if self._kills_all else (pid,):
            try:
                os.kill(each, signal.SIGKILL)
            except ProcessLookupError:  # with its whole process, by one of the signals before
                continue


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One instruction of a filter, a `struct sock_filter`."""
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _go_on(pid: int, number: int = 0) -> None:
    _ask(_CONT, pid, number)


def _ask(request: int, pid: int, data: int = 0) -> None:
    # One that was killed meanwhile is no longer there to be asked; its end is told by waitpid.
    if _libc.ptrace(request, pid, None, data) != 0 and (number := ctypes.get_errno()) != errno.ESRCH:
        raise OSError(number, f"ptrace({request:#x})")


def main(report: str, name: str, at: str, scope: str, *argv: str) -> None:
    """Trace, and report what was seen; the exit code says nothing of the command."""
    tracer = Tracer(name, int(at), scope)
    code = tracer.run(list(argv))
    Path(report).write_text(json.dumps({"counts": tracer.counts, "killed": tracer.killed, "code": code}))


if __name__ == "__main__":
    main(*sys.argv[1:])
