"""How rich writes to a stream here: no markup, no guessed highlights, nothing that a name could switch on."""

from __future__ import annotations

import os
from typing import IO, cast

from rich.console import Console

from migrator.console.output import Output

# Where nobody looks (a pipe, a file), nothing is folded or cut to the width of a terminal.
_UNSEEN_COLUMNS = 10_000


def pen_for(output: Output, *, no_color: bool) -> Console:
    """A rich console on `output`; plain when asked, when NO_COLOR is set, or when it is no terminal."""
    is_terminal = output.isatty()
    is_plain = no_color or bool(os.environ.get("NO_COLOR")) or not is_terminal
    return Console(
        file=cast("IO[str]", output),
        force_terminal=is_terminal,
        color_system=None if is_plain else "auto",
        no_color=is_plain,
        width=None if is_terminal else _UNSEEN_COLUMNS,
        markup=False,
        highlight=False,
        emoji=False,
    )
