"""The n-th write or sync fails, for n = 1, 2, 3 ... until a run is clean: below the target, the state, the temp folder.

A small library is preloaded that counts over all processes of a run. After each failure the exit code must say it,
nothing told may be untrue, and the same command must bring everything home.
"""

from __future__ import annotations

import errno
import os
import struct
import subprocess
from pathlib import Path
from typing import Literal, NamedTuple

from torture.fail_points import CUTOVER, FailingGround
from torture.rows import Options, Outcome, Row

Side = Literal["target", "state", "temp"]
SIDES: tuple[Side, ...] = ("target", "state", "temp")
_SOURCE = Path(__file__).with_suffix(".c")
_MOST = 2000  # a run that makes more calls than this is another one than we know

# How a run may end. Once something is in place, a failed sync of its name is that item's failure.
_CODES = {"target": {0, 3, 10}, "state": {0, 9}, "temp": {0, 3, 9, 10}}


class Fault(NamedTuple):
    """What fails."""

    calls: str
    number: int


_WRITES = "write,pwrite64,fallocate64,ftruncate64,copy_file_range"
FAULTS = (
    Fault("fsync,fdatasync,syncfs", errno.EIO),
    Fault(_WRITES, errno.ENOSPC),
    Fault(_WRITES, errno.EDQUOT),
)


class IoGround(FailingGround):
    """A scenario whose calls fail one after the other."""

    @property
    def folders(self) -> dict[Side, Path]:
        """What lies where."""
        return {"target": self.move.target, "state": self.cli.state, "temp": self.move.folder.with_name("temporary")}

    def fail_call(self, side: Side, fault: Fault, at: int) -> list[str] | None:
        """What was violated when that call failed, and after it; None when there are not so many calls."""
        count = self.move.folder.with_name("count")
        count.write_bytes(bytes(8))
        self.folders["temp"].mkdir(exist_ok=True)
        environment = {
            "LD_PRELOAD": str(self._library()),
            "TMPDIR": str(self.folders["temp"]),
            "FAIL_CALLS": fault.calls,
            "FAIL_BELOW": str(self.folders[side]),
            "FAIL_ERRNO": str(fault.number),
            "FAIL_AT": str(at),
            "FAIL_COUNT": str(count),
        }
        return self.spoil(environment, lambda: struct.unpack("q", count.read_bytes())[0] >= at, _CODES[side])

    def _library(self) -> Path:
        library = self.move.folder.with_name("failing_io.so")
        if not library.exists():
            subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, _SOURCE], check=True)
        return library


def torture(options: Options, sides: tuple[Side, ...] = SIDES, faults: tuple[Fault, ...] = FAULTS) -> Outcome:
    """Have every `options.stride`-th call fail, by side and fault, until a run is clean."""
    ground = IoGround.prepare(CUTOVER, options.folder, "process")
    found: list[str] = []
    figures: list[str] = []
    tried = 0
    for side in sides:
        for fault in faults:
            lines, failed = _until_clean(ground, side, fault, options)
            found += lines
            tried += failed
            figures.append(f"{failed} x {os.strerror(fault.number)} at the {side}")
    return Outcome(tried, tuple(found), ", ".join(figures))


def _until_clean(ground: IoGround, side: Side, fault: Fault, options: Options) -> tuple[list[str], int]:
    found: list[str] = []
    failed = 0
    for at in range(1 + options.seed % options.stride, _MOST, options.stride):
        try:
            lines = ground.fail_call(side, fault, at)
        except (AssertionError, subprocess.SubprocessError) as error:
            lines = [str(error)]
        if lines is None:
            return found, failed
        failed += 1
        found += [f"{errno.errorcode[fault.number]} at call {at} below the {side}: {line}" for line in lines]
    return [*found, f"no run was clean after {_MOST} calls"], failed


ROWS = (
    Row(
        "failing-io",
        "a write or a sync fails, the first, the second ... until a run is clean: at the target, the state, temp",
        torture,
    ),
)
