"""State for tests: folders, entries, and children that use the journal in a process of their own."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

from migrator.domain.entries import Entry, Kind
from migrator.domain.phases import Gate
from migrator.journal.folder import StateFolder
from migrator.journal.inbox import Approval

NOON = dt.datetime(2018, 7, 28, 12, 0, tzinfo=dt.UTC)


def yes(name: str = "yes-1", **changes: object) -> Approval:
    """An approval of the freeze of `portail`, given at noon and for ever."""
    approval = Approval(name, Gate.FREEZE, "portail", "digest", "Ada", NOON, None, None)
    return approval._replace(**changes)  # type: ignore[arg-type]


def state(root: Path) -> StateFolder:
    """The state folder of a migration below `root`, made."""
    folder = StateFolder(root / "state", "paris-2018")
    folder.create()
    return folder


def file(path: bytes, size: int = 5, mtime_ns: int = 1_500_000_000_000_000_000, ctime_ns: int | None = None) -> Entry:
    """A file's entry."""
    return Entry(path, Kind.FILE, size, mtime_ns, 0o644, 1000, 1000, None, ctime_ns)


def directory(path: bytes, mtime_ns: int = 1_500_000_000_000_000_000) -> Entry:
    """A folder's entry; its size is what file systems say, which means nothing."""
    return Entry(path, Kind.DIRECTORY, 4096, mtime_ns, 0o755, 1000, 1000)


def link(path: bytes, to: bytes = b"elsewhere") -> Entry:
    """A symbolic link's entry."""
    return Entry(path, Kind.LINK, 0, 1_500_000_000_000_000_000, 0o777, 1000, 1000, to)


_PROLOGUE = """
import sys, time
from pathlib import Path
from migrator.domain.entries import *
from migrator.domain.phases import *
from migrator.journal.application import *
from migrator.journal.folder import *
from migrator.journal.journal import *
from migrator.journal.manifest import *
from tests.support.journals import *
folder = StateFolder(Path(sys.argv[1]), "paris-2018")
"""


def child(folder: StateFolder, script: str, *before: str) -> subprocess.Popen[str]:
    """A process of its own that runs `script` on the folder, with the journal's names at hand; `before` wraps it."""
    command = [*before, sys.executable, "-c", _PROLOGUE + script, str(folder.path.parent)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def line(process: subprocess.Popen[str]) -> str:
    """The next line a child prints; fails with what it complained about when there is none."""
    assert process.stdout is not None
    text = process.stdout.readline()
    if not text:
        _, errors = process.communicate(timeout=30)
        raise AssertionError(f"the child ended: {errors}")
    return text.strip()
