"""A dataset on its way from source to target: what whoever copies or verifies it needs to know and to hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from migrator.domain.entries import Class, Entry, Kind, Listed, Unchanged, Unreadable
from migrator.domain.events import BytesMoved, ItemChanged, Note, OnEvent
from migrator.domain.filters import Filter
from migrator.domain.plan import Dataset
from migrator.domain.stopping import Stop
from migrator.endpoints.contract import Fingerprints, SourceTree, TargetTree
from migrator.journal.manifest import Manifest
from migrator.movers.pool import Leg, MoverPool
from migrator.movers.way import Way


@dataclass(frozen=True)
class Crossing:
    """One dataset and the means to work on it. Movers' reports arrive in several threads; the manifest orders them."""

    application: str
    dataset: Dataset
    manifest: Manifest
    way: Way
    filter: Filter
    open_source: Callable[[], AbstractContextManager[SourceTree]]
    open_target: Callable[[], AbstractContextManager[TargetTree]]
    pool: MoverPool | Leg
    on_event: OnEvent
    stop: Stop
    compares: bool = False  # whether both sides can hash what they have
    recognises: bool = False  # whether a folder that looks as it did may be taken for unchanged
    is_back: bool = False  # from target to source: what is read is the target, what is written is the source

    @property
    def read_side(self) -> str:
        """The side that is read, for people."""
        return "target" if self.is_back else "source"

    @property
    def written_side(self) -> str:
        """The side that is written, for people."""
        return "source" if self.is_back else "target"

    def look_at(self, tree: SourceTree) -> Iterator[Sequence[Entry | Unreadable | Listed | Unchanged]]:
        """Scan the source; folders that are known to be in place as they are need not be told by name."""
        if not self.recognises:
            return tree.scan()
        return tree.rescan(Fingerprints(self._basis, self.manifest.fingerprints()))

    @property
    def _basis(self) -> bytes:
        """What decides, beside the source itself, what becomes of an entry: under other rules all are looked at."""
        rules = json.dumps([self.dataset.exclude, self.dataset.symlinks, self.filter.waived])
        return hashlib.sha256(rules.encode()).digest()

    def tell_moved(self, size_bytes: int) -> None:
        """Content was read; nothing durable yet."""
        if size_bytes:
            self.on_event(BytesMoved(self.application, self.dataset.name, size_bytes))

    def tell_item(self, entry: Entry, state: Class, seq: int, sha256: bytes | None) -> None:
        """An item reached a class, and the commit that says so is durable."""
        name = self.dataset.name
        self.on_event(ItemChanged(self.application, name, entry.path, entry.kind, entry.size, state, seq, sha256))

    def tell_problem(self, path: bytes, state: Class, seq: int, reason: str) -> None:
        """An item failed, vanished or was put off, and the commit that says so is durable."""
        name = self.dataset.name
        self.on_event(ItemChanged(self.application, name, path, Kind.FILE, 0, state, seq, None, reason))

    def warn(self, sentence: str) -> None:
        """Tell the operator something worth knowing about this dataset."""
        self.on_event(Note(f"dataset `{self.dataset.name}`: {sentence}", self.application, "warning"))
