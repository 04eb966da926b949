"""Names that differ only in case or in Unicode form: one and the same to some file systems, and to many people."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from migrator.domain.entries import Entry

# So many names are compared with each other at least; a scan tells a folder's names one after the other.
COMPARED = 1 << 17
_PAIRS = 3


class Alike:
    """Watches a scan for such names. Holds 2 x COMPARED names at the most, so that memory is bounded by them."""

    def __init__(self, compared: int = COMPARED) -> None:
        self.count = 0
        self.pairs: list[tuple[bytes, bytes]] = []  # the first few
        self.is_complete = True  # False: a folder had more names than were compared
        self._compared = compared
        self._seen: dict[bytes, bytes] = {}
        self._before: dict[bytes, bytes] = {}

    def observe(self, entries: Sequence[Entry]) -> None:
        """Take in the next block of the scan."""
        folded = folded_all([each.path for each in entries])
        new = dict(zip(folded, [each.path for each in entries], strict=True))
        if len(new) < len(folded) or not (self._seen.keys().isdisjoint(new) and self._before.keys().isdisjoint(new)):
            self._name(folded, entries)
        self._seen.update(new)
        if len(self._seen) >= self._compared:
            self.is_complete = self.is_complete and not _is_one_folder(self._seen)
            self._before, self._seen = self._seen, {}

    def _name(self, folded: Sequence[bytes], entries: Sequence[Entry]) -> None:
        """Count every name but the first that folds to the same."""
        first: dict[bytes, bytes] = {}
        for key, entry in zip(folded, entries, strict=True):
            other = self._seen.get(key) or self._before.get(key) or first.setdefault(key, entry.path)
            if other != entry.path:
                self.count += 1
                if len(self.pairs) < _PAIRS:
                    self.pairs.append((other, entry.path))


def folded_all(paths: Sequence[bytes]) -> list[bytes]:
    """Each path as it is to a file system that tells neither case nor Unicode form."""
    if b"".join(paths).isascii():
        return [path.lower() for path in paths]
    return [path.lower() if path.isascii() else _folded(path) for path in paths]


def _folded(path: bytes) -> bytes:
    text = unicodedata.normalize("NFD", path.decode("utf-8", "surrogateescape"))
    return unicodedata.normalize("NFC", text.casefold()).encode("utf-8", "surrogateescape")


def _is_one_folder(paths: dict[bytes, bytes]) -> bool:
    """Whether the first and the last name taken in lie in one folder."""
    first, last = next(iter(paths)), next(reversed(paths))
    return first.rpartition(b"/")[0] == last.rpartition(b"/")[0]
