"""What this process is made of, as it is written beside what it did."""

from __future__ import annotations

import platform

import migrator


def versions() -> str:
    """The versions of the tool, of Python and of the system, in one line."""
    return (
        f"migrator {migrator.__version__}, Python {platform.python_version()}, {platform.system()} {platform.release()}"
    )
