"""One pass under way: what it has done so far, and the one place that records what movers report."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from migrator.domain.entries import Class, Entry, Kind, display
from migrator.domain.events import ItemDeleted
from migrator.endpoints.contract import Landed, Problem
from migrator.journal.manifest import Copied
from migrator.movers.crossing import Crossing
from migrator.transfer.landing import Carried, Group, Stayed

TRUST_STREAM = "hashed while copying"
TRUST_CHUNKS = "hashed in chunks while copying"

_FAILURES_NAMED = 100


@dataclass
class Tallies:
    """What one pass has done so far."""

    carried: int = 0
    carried_bytes: int = 0
    deleted: int = 0
    failed: int = 0
    failures: list[tuple[bytes, str]] = field(default_factory=list)  # the first few, with why
    vanished: int = 0
    vanishings: list[tuple[bytes, str]] = field(default_factory=list)  # the first few, with why
    restless_count: int = 0  # what shows, in a final sync, that the source is not frozen
    restless: list[tuple[bytes, str]] = field(default_factory=list)  # the first few of it, with how
    hot: dict[bytes, str] = field(default_factory=dict)  # changed while they were read, and not carried since


class Course:
    """A pass over one dataset. Movers report in several threads; each report is recorded and told as a whole."""

    def __init__(self, crossing: Crossing) -> None:
        self.crossing = crossing
        self.manifest = crossing.manifest
        self.tallies = Tallies()
        self._recording = threading.RLock()

    def will_write(self, entries: Sequence[Entry]) -> None:
        """Before anything is made at the target: note what may stand there from now on, even if nobody says so.

        The folders that hold `entries` must be settled again afterwards.
        """
        self.manifest.intended({entry.path for entry in entries} | all_folders_above(entries))
        self.will_change(entries)

    def will_change(self, entries: Sequence[Entry]) -> None:
        """Before something in them changes: the folders that hold `entries` must be settled again afterwards."""
        self.manifest.touched({parent_of(entry.path) for entry in entries if entry.path})

    def record(self, group: Group, *, brought_content: bool = True) -> None:
        """Write the outcome of a commit group into the manifest, then tell it."""
        with self._recording:
            self.carried(group.carried, brought_content=brought_content)
            self.stayed(group.stayed)

    def carried(self, items: Sequence[Carried], *, brought_content: bool = True) -> None:
        """Record items that are in place; a further name of a file brings no content."""
        if not items:
            return
        with self._recording:
            seq = self.manifest.copied([Copied(item.entry, item.sha256, _trust_in(item)) for item in items])
            self.tallies.carried += len(items)
            for entry, sha256 in items:
                self.tallies.carried_bytes += entry.size if brought_content else 0
                self.tallies.hot.pop(entry.path, None)
                self.crossing.tell_item(entry, Class.ACKNOWLEDGED, seq, sha256)

    def stayed(self, items: Sequence[Stayed]) -> None:
        """Record items that are not in place, by what came between."""
        with self._recording:
            for item in items:
                self.tallies.hot.pop(item.path, None)
            self._hot([(item.path, item.reason) for item in items if item.problem is Problem.CHANGED])
            self._vanished([(item.path, item.reason) for item in items if item.problem is Problem.VANISHED])
            self._failed([(item.path, item.reason) for item in items if item.problem is Problem.FAILED])

    def failed(self, landed: Sequence[Landed]) -> None:
        """Record those that did not land."""
        self.stayed([Stayed(each.path, Problem.FAILED, each.problem) for each in landed if each.problem is not None])

    def unreadable(self, path: bytes, reason: str) -> None:
        """Count a folder that could not be listed; the scan has recorded it."""
        self._count_failures([(path, reason)])
        self.crossing.warn(f"cannot read `{display(path) or '.'}` at the {self.crossing.read_side}: {reason}")

    def note_restless(self, rows: Sequence[tuple[bytes, str]]) -> None:
        """Count what moved at a source that should be frozen; the class of each item is recorded elsewhere."""
        self.tallies.restless_count += len(rows)
        self.tallies.restless.extend(rows[: max(0, _FAILURES_NAMED - len(self.tallies.restless))])

    def removed(self, paths: Sequence[bytes]) -> None:
        """Record what was deleted at the target, then tell it."""
        self.manifest.removed(paths)
        self.tallies.deleted += len(paths)
        for path in paths:
            self.crossing.on_event(ItemDeleted(self.crossing.application, self.crossing.dataset.name, path))

    def _hot(self, rows: Sequence[tuple[bytes, str]]) -> None:
        if rows:
            self._tell_problems(rows, Class.PENDING, self.manifest.postponed(rows))
            self.tallies.hot.update(rows)

    def _vanished(self, rows: Sequence[tuple[bytes, str]]) -> None:
        if rows:
            self.tallies.vanished += len(rows)
            self.tallies.vanishings.extend(rows[: max(0, _FAILURES_NAMED - len(self.tallies.vanishings))])
            self._tell_problems(rows, Class.VANISHED, self.manifest.vanished(rows))

    def _failed(self, rows: Sequence[tuple[bytes, str]]) -> None:
        if rows:
            self._count_failures(rows)
            self._tell_problems(rows, Class.FAILED, self.manifest.failed(rows))

    def _count_failures(self, rows: Sequence[tuple[bytes, str]]) -> None:
        self.tallies.failed += len(rows)
        self.tallies.failures.extend(rows[: max(0, _FAILURES_NAMED - len(self.tallies.failures))])

    def _tell_problems(self, rows: Sequence[tuple[bytes, str]], state: Class, seq: int) -> None:
        for path, reason in rows:
            self.crossing.tell_problem(path, state, seq, reason)


def _trust_in(item: Carried) -> str:
    is_chunked = item.entry.kind is Kind.FILE and item.sha256 is None
    return TRUST_CHUNKS if is_chunked else TRUST_STREAM


def parent_of(path: bytes) -> bytes:
    """The folder that holds `path`; the root's own is the root."""
    return path.rpartition(b"/")[0]


def folders_above(path: bytes) -> Iterator[bytes]:
    """The folders that hold `path`, the nearest first, the root last."""
    while path:
        path = parent_of(path)
        yield path


def all_folders_above(entries: Iterable[Entry]) -> set[bytes]:
    """Every folder above one of the entries; each is looked at once, however many are in it."""
    found: set[bytes] = set()
    for entry in entries:
        for folder in folders_above(entry.path):
            if folder in found:
                break
            found.add(folder)
    return found
