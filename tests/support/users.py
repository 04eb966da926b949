"""What users do at a target once they were sent there."""

from __future__ import annotations

import os
from pathlib import Path

FILES = 200
# What `live` comes to, folders and links included.
CREATED, CHANGED, DELETED = 72, 71, 61


def plant(root: Path) -> None:
    """Files in three folders, a link, and an empty folder."""
    for number in range(FILES):
        folder = root / f"folder {number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file {number:03}").write_text(f"as it was, {number}")
    (root / "link").symlink_to("folder 0")
    (root / "empty").mkdir()


def live(root: Path) -> None:
    """70 files created, 70 changed, 60 deleted; a folder made with its contents, one removed, a link pointed anew."""
    for number in range(70):
        (root / f"folder {number % 3}" / f"file {number:03}").write_text(f"changed by a user, {number}")
    for number in range(70, 130):
        (root / f"folder {number % 3}" / f"file {number:03}").unlink()
    new = root / "new" / "deeper"
    new.mkdir(parents=True)
    for number in range(70):
        (new / f"upload {number:03}").write_text(f"uploaded, {number}")
    (new / "upload 000").chmod(0o640)
    os.utime(new / "upload 001", ns=(10**18, 10**18))
    (root / "link").unlink()
    (root / "link").symlink_to("new")
    (root / "empty").rmdir()
