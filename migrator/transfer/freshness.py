"""Where times have whole seconds: whether a file could be written to once more without a trace."""

from __future__ import annotations

from migrator.domain.entries import Entry

# A second, and what two clocks that are kept right may be apart.
_SETTLED_SECONDS = 1.25
# A time further ahead was set by hand, or the clocks are far apart: waiting would not help.
_AHEAD_SECONDS = 2.0


def unsettled_seconds(found: Entry, looked_at: float) -> float:
    """How long it takes from `looked_at` (seconds since the epoch) until a write to the file changes its time; 0: none.

    Where ctime is seen, the one who reads takes care of this himself.
    """
    age = looked_at - found.mtime_ns / 1e9
    if found.ctime_ns is not None or not -_AHEAD_SECONDS < age < _SETTLED_SECONDS:
        return 0.0
    return _SETTLED_SECONDS - age
