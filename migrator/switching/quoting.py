"""Words of commands and hosts in error messages: the end of them, short, and safe on a terminal."""

from __future__ import annotations

from migrator.domain.entries import display
from migrator.domain.plan import Argv
from migrator.endpoints.contract import Completed

# How much is repeated: the end, since that is where commands say why.
_QUOTED_BYTES = 600
_QUOTED_LINES = 5


def quoted(completed: Completed) -> str:
    """The end of what a command said, led by a colon; that it said nothing otherwise."""
    said = brief(completed.stderr) or brief(completed.stdout)
    return f": {said}" if said else " and said nothing"


def brief(words: bytes) -> str:
    """The last few lines of `words` in one; empty when there are none."""
    lines = words.strip()[-_QUOTED_BYTES:].splitlines()[-_QUOTED_LINES:]
    return " | ".join(display(line.strip()) for line in lines if line.strip())


def shown(argv: Argv) -> str:
    """An argument list for people; unlike a shell's quoting it cannot smuggle control characters."""
    return "[" + ", ".join(display(argument.encode("utf-8", "surrogateescape")) for argument in argv) + "]"
