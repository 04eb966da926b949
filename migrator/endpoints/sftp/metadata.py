"""Owner, mode and times over SFTP, as far as a plan keeps them."""

from __future__ import annotations

from migrator.domain.entries import Entry
from migrator.endpoints.sftp import wire

_SETID = 0o6000
_SECOND = 1_000_000_000


class Metadata:
    """What to send so that an entry gets what `keep` names; without `mode` it stays closed to all but its owner."""

    def __init__(self, keep: frozenset[str]) -> None:
        self._owner = "owner" in keep
        self._mode = "mode" in keep
        self._times = "times" in keep
        self._mask = 0o7777 if "setid" in keep else 0o7777 & ~_SETID

    def obstacle(self, entry: Entry) -> str | None:
        """Why SFTP cannot carry what is to be kept of `entry`, if so."""
        if self._times and not 0 <= entry.mtime_ns // _SECOND <= wire.LARGEST_TIME:
            return "its time lies outside the years 1970 to 2106, which are all that SFTP can carry"
        return None

    def attributes(self, entry: Entry) -> list[bytes]:
        """The attributes to set on a file or folder, in this order, each by a request of its own."""
        owner = self._owner_of(entry)
        mode = entry.mode & self._mask if self._mode else None
        mtime = self._mtime_of(entry)
        if owner is not None and mode is not None and mode & _SETID:
            # A server sets the mode before the owner, and a change of owner clears setuid and setgid.
            return [wire.attributes(owner=owner), wire.attributes(mode=mode, mtime=mtime)]
        if owner is None and mode is None and mtime is None:
            return []
        return [wire.attributes(owner=owner, mode=mode, mtime=mtime)]

    def link_attributes(self, entry: Entry) -> bytes | None:
        """The attributes to set on a link, whose mode means nothing on Linux; None when nothing is to be set."""
        owner = self._owner_of(entry)
        mtime = self._mtime_of(entry)
        return None if owner is None and mtime is None else wire.attributes(owner=owner, mtime=mtime)

    def _owner_of(self, entry: Entry) -> tuple[int, int] | None:
        is_known = entry.uid >= 0 and entry.gid >= 0
        return (entry.uid, entry.gid) if self._owner and is_known else None

    def _mtime_of(self, entry: Entry) -> int | None:
        return entry.mtime_ns // _SECOND if self._times else None
