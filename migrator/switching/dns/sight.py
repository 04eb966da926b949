"""What a look at a record before its switch brings back."""

from __future__ import annotations

from typing import NamedTuple


class RecordSight(NamedTuple):
    """A record as its primary server has it now."""

    values: tuple[str, ...]  # as a zone file writes them; none when there is no such record
    ttl_seconds: int | None  # None when there is no such record
    is_in_place: bool  # every server gives the new value already
    is_key_open: bool  # everybody on this machine may read the key file
