"""The state folder of one migration: what lies where, and who may look at it."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

from migrator.errors import LocalFault

# Names become file names here: whatever the plan allowed, they never leave the folder.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class StateFolder:
    """Where everything about one migration is kept; looking at it creates nothing."""

    def __init__(self, root: Path, migration: str) -> None:
        self.path = root.absolute() / _file_name(migration)

    @property
    def journal(self) -> Path:
        """The database of plans, runs and approvals."""
        return self.path / "journal.db"

    @property
    def journal_lock(self) -> Path:
        """Held for the moment of each write to the journal."""
        return self.path / "journal.lock"

    @property
    def inbox(self) -> Path:
        """Where other commands leave synced files for the coordinator."""
        return self.path / "inbox"

    @property
    def refused(self) -> Path:
        """Where files of the inbox end that nobody understands."""
        return self.inbox / "refused"

    @property
    def limits(self) -> Path:
        """Where rates lie that were set for the runs under way."""
        return self.path / "limits"

    def limit(self, endpoint: str) -> Path:
        """The rate that was set for an endpoint."""
        return self.limits / f"{_file_name(endpoint)}.json"

    @property
    def runs_lock(self) -> Path:
        """Held together by all runs under way."""
        return self.path / "runs.lock"

    @property
    def rehearsal(self) -> StateFolder:
        """The folder of rehearsals, built like this one: nothing in it is about the real targets."""
        return StateFolder(self.path, "rehearsal")

    def door(self, endpoint: str) -> Path:
        """Held by whoever is logging in at the endpoint."""
        return self._doors / f"{_file_name(endpoint)}.lock"

    def database(self, application: str) -> Path:
        """The database of one application."""
        return self._applications / f"{_file_name(application)}.db"

    def lock(self, application: str) -> Path:
        """Held by the run that works on the application."""
        return self._applications / f"{_file_name(application)}.lock"

    def papers(self, application: str) -> Path:
        """Papers of one application: its close-out list, and what the provider attested."""
        return self.path / "papers" / _file_name(application)

    def create(self) -> None:
        """Make the folder (0700) where it is missing; LocalFault when that fails, or when others have access to it."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.path, self.inbox, self.refused, self.limits, self._applications, self._doors):
                make_private(folder)
        except OSError as error:
            raise LocalFault(
                f"the state folder `{self.path}` cannot be made: {error.strerror}",
                hint="choose another folder with `--state DIR`, or make room and give yourself access there",
            ) from error

    def application_names(self) -> tuple[str, ...]:
        """The applications that have a database here, sorted; none when there is no folder yet."""
        try:
            names = os.listdir(self._applications)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise unreadable(self._applications, error) from error
        suffix = ".db"
        return tuple(sorted(name[: -len(suffix)] for name in names if name.endswith(suffix) and _NAME.fullmatch(name)))

    @property
    def _applications(self) -> Path:
        return self.path / "applications"

    @property
    def _doors(self) -> Path:
        return self.path / "doors"


def sync_directory(folder: Path) -> None:
    """Make names that were added to or removed from `folder` durable; OSError when the disk refuses."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unreadable(path: Path, error: OSError) -> LocalFault:
    """The LocalFault for a part of the state that the system does not let us read or write."""
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return LocalFault(
        f"`{path}` cannot be used: {error.strerror}",
        hint="make room there, then run again"
        if is_full
        else "the state belongs to the user who runs the migration: is this the same user, and is the disk sound?",
    )


def _file_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a name that can stand in the state folder: {name!r}")
    return name


def make_private(folder: Path) -> None:
    """Make the folder (0700) where it is missing; LocalFault when others have access to the one that is there."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        _insist_private(folder)
    else:
        sync_directory(folder.parent)


def _insist_private(folder: Path) -> None:
    facts = folder.stat()
    if not stat.S_ISDIR(facts.st_mode):
        raise LocalFault(
            f"`{folder}` stands where a state folder belongs, and is not a folder",
            hint="move it away, or choose another folder with `--state DIR`",
        )
    if os.geteuid() not in (0, facts.st_uid):
        raise LocalFault(
            f"the state folder `{folder}` belongs to another user (uid {facts.st_uid})",
            hint="run migrator as that user, or choose another folder with `--state DIR`",
        )
    if facts.st_mode & 0o077:
        raise LocalFault(
            f"the state folder `{folder}` is open to other users (mode {stat.S_IMODE(facts.st_mode):04o})",
            hint=f"find out who had access and why, then close it: chmod go-rwx {folder}",
        )
