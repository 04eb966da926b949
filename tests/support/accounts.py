"""Acting as an account without rights, inside a test that runs as root."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.trees import remove_tree

NOBODY = 65534


@contextlib.contextmanager
def without_rights() -> Iterator[None]:
    """As root, every access to files is that of the account `nobody` until the end; else nothing has to change."""
    if os.geteuid() != 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@contextlib.contextmanager
def open_folder() -> Iterator[bytes]:
    """A folder that every account can reach and write to, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="migrator-test-"))
    folder.chmod(0o777)
    try:
        yield os.fsencode(folder)
    finally:
        remove_tree(os.fsencode(folder))
