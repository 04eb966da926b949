"""From where to where a batch goes; apart from Crossing, so that a mover need not load the journal to read it."""

from __future__ import annotations

from typing import NamedTuple

from migrator.domain.plan import Location


class Way(NamedTuple):
    """From where to where, and how: what a mover is told with every batch."""

    source: Location
    target: Location
    temp_key: bytes
    keep: frozenset[str]
