"""A copy of an application's journal to think with, so that looking ahead neither waits for a run nor hinders one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from migrator.journal.application import ApplicationJournal
from migrator.journal.database import copy_database
from migrator.journal.folder import StateFolder


@contextmanager
def working_copy(folder: StateFolder, application: str) -> Iterator[ApplicationJournal | None]:
    """The application's journal as it is now; None before the first run.

    Takes no lock, and what is written to the copy is thrown away. Raises LocalFault when the state cannot be read, or
    the folder for temporary files has no room for the copy.
    """
    if application not in folder.application_names():
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="migrator-") as root:
        copy = StateFolder(Path(root), folder.path.name)
        copy.create()
        copy_database(folder.database(application), copy.database(application))
        with ApplicationJournal.open(copy, application) as journal:
            yield journal
