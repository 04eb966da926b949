"""Papers of an application that are kept beside its database: what is handed to people, and what they hand to us."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from migrator import failpoints
from migrator.journal.folder import StateFolder, make_private, sync_directory, unreadable


class Papers:
    """The papers of one application; each is written as a whole, durable when the call returns."""

    def __init__(self, folder: StateFolder, application: str) -> None:
        self.path = folder.papers(application)

    def keep(self, name: str, content: bytes) -> Path:
        """Write the paper, in place of an earlier one of that name; where it lies. LocalFault when the disk refuses."""
        path = self.path / name
        draft = self.path / f".{name}.new"
        try:
            make_private(self.path.parent)
            make_private(self.path)
            draft.unlink(missing_ok=True)  # left by a run that was killed; no other one is at it, by the lock
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            failpoints.reached("papers")
            draft.rename(path)
            sync_directory(self.path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise unreadable(path, error) from error
        return path

    def read(self, name: str) -> bytes | None:
        """The content of a paper; None when there is none of that name."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unreadable(self.path / name, error) from error


def digest_of(content: bytes) -> str:
    """Hexadecimal SHA-256, by which a paper is known to the chain."""
    return hashlib.sha256(content).hexdigest()
