"""Prove that the target equals what was copied, and, when asked, that the source still does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from migrator.domain.entries import Class, Entry, Kind, Unreadable, display
from migrator.domain.events import WorkFound
from migrator.endpoints.contract import TargetTree
from migrator.journal.manifest import ToVerify
from migrator.journal.target_look import ToCompare
from migrator.movers.crossing import Crossing
from migrator.movers.errands import Errand, Errands
from migrator.verification.comparing import difference
from migrator.verification.linking import Links
from migrator.verification.rereading import REPORT_ITEMS, Expected, Read, Rereading, Verdict, reread

# A job is judged as one, so that each is one commit in the journal.
_JOB_FILES = REPORT_ITEMS
_JOB_BYTES = 16 * 1024 * 1024
_NAMED = 100
_FOREIGN_KEPT = 10_000
_AFTER_EVERYTHING = 2**62  # a seq that no item reaches: all are to be looked at
_FILES = (Kind.FILE,)


@dataclass
class Findings:
    """What a verification of one dataset brought; of what is wrong the first hundred are named, with the reason."""

    verified: int = 0
    differs: list[tuple[bytes, str]] = field(default_factory=list)  # at the target
    differs_count: int = 0
    moved_on: list[tuple[bytes, str]] = field(default_factory=list)  # at the source, since it was copied
    moved_on_count: int = 0
    foreign: int = 0

    def differ(self, rows: Sequence[tuple[bytes, str]]) -> None:
        """Count more of what differs."""
        self.differs_count += len(rows)
        self.differs.extend(rows[: max(0, _NAMED - len(self.differs))])

    def move_on(self, rows: Sequence[tuple[bytes, str]]) -> None:
        """Count more of what has moved on."""
        self.moved_on_count += len(rows)
        self.moved_on.extend(rows[: max(0, _NAMED - len(self.moved_on))])


def verify(crossing: Crossing, since_seq: int, *, read_source: bool) -> Findings:
    """Read the target's bytes again for every item not verified after `since_seq`; the source's too if asked.

    Each outcome is recorded as it comes, so that an interrupted verification goes on where it stopped. An item that
    differs becomes `failed`, one whose source has moved on becomes `pending`.
    """
    with crossing.open_target() as tree:
        ledger = _Ledger(crossing, _how(crossing, tree, read_source=read_source))
        look = _Look(crossing, tree, ledger.findings)
        with _Readers(crossing, ledger) as readers:
            for block in crossing.manifest.to_verify(since_seq, _FILES):
                crossing.stop.check()
                readers.read(block, read_target=True, read_source=read_source, meanwhile=look.go_on)
            while look.go_on():
                pass
            for pairs in look.seen.to_compare(since_seq):
                ledger.compare(pairs)
        look.seen.forget()
    for faults in look.links.faults():
        ledger.fail(faults)
    return ledger.findings


def _how(crossing: Crossing, target: TargetTree, *, read_source: bool) -> str:
    """How strong the check is, in words, as each item's record says it."""
    words = "hashed at the target by the agent" if target.abilities.lane == "agent" else "target bytes read again"
    if not read_source:
        return words
    with crossing.open_source() as source:
        is_by_agent = source.abilities.lane == "agent"
    return f"{words}, {'hashed at the source by the agent' if is_by_agent else 'source bytes read again'}"


def reread_source(crossing: Crossing) -> list[tuple[bytes, str]]:
    """Read every file of the manifest at the source again; the first that are no longer what was copied, with why.

    They become `pending`; nothing becomes verified by this.
    """
    ledger = _Ledger(crossing, by=None)
    with _Readers(crossing, ledger) as readers:
        for block in crossing.manifest.to_verify(_AFTER_EVERYTHING, _FILES):
            crossing.stop.check()
            readers.read(block, read_target=False, read_source=True)
    return ledger.findings.moved_on


class _Ledger:
    """Where outcomes are recorded and told. Movers report in several threads; each outcome is recorded as a whole."""

    def __init__(self, crossing: Crossing, by: str | None) -> None:
        self.findings = Findings()
        self._recording = threading.Lock()
        self._crossing = crossing
        self._by = by  # None: what is proven is not recorded as verified

    def compare(self, pairs: Sequence[ToCompare]) -> None:
        """Judge folders and links by what the look around the target saw."""
        _announce(self._crossing, [pair.entry for pair in pairs])
        proven: list[tuple[Entry, bytes | None]] = []
        differs: list[tuple[bytes, str]] = []
        for entry, found in pairs:
            fault = "is missing" if found is None else difference(entry, found, self._crossing.way.keep)
            if fault is None:
                proven.append((entry, None))
            else:
                differs.append((entry.path, fault))
        self.prove(proven)
        self.fail(differs)

    def prove(self, items: Sequence[tuple[Entry, bytes | None]]) -> None:
        """Record items that are what they should be, with the digest of what was read."""
        if not items or self._by is None:
            return
        with self._recording:
            seq = self._crossing.manifest.verified([(entry.path, sha256) for entry, sha256 in items], self._by)
            self.findings.verified += len(items)
            for entry, sha256 in items:
                self._crossing.tell_item(entry, Class.VERIFIED, seq, sha256)

    def fail(self, rows: Sequence[tuple[bytes, str]]) -> None:
        """Record items that are not what they should be at the target."""
        if not rows:
            return
        with self._recording:
            seq = self._crossing.manifest.failed(rows)
            self.findings.differ(rows)
            for path, reason in rows:
                self._crossing.tell_problem(path, Class.FAILED, seq, reason)

    def postpone(self, rows: Sequence[tuple[bytes, str]]) -> None:
        """Record items whose source has moved on: they must be copied again."""
        if rows:
            with self._recording:
                self._crossing.manifest.postponed(rows)
                self.findings.move_on(rows)


class _Readers:
    """Reading jobs that are out with the movers; leaving the block waits for them and raises the first error."""

    def __init__(self, crossing: Crossing, ledger: _Ledger) -> None:
        self._crossing = crossing
        self._ledger = ledger
        self._errands = Errands(crossing.pool, crossing.stop, crossing.warn)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._errands.give_up()
            return
        try:
            self._errands.finish()
        except BaseException:
            self._errands.give_up()
            raise

    def read(
        self,
        items: Sequence[ToVerify],
        *,
        read_target: bool,
        read_source: bool,
        meanwhile: Callable[[], bool] = lambda: False,
    ) -> None:
        """Have files read again; while enough is out, does `meanwhile` what there is to do, and then waits."""
        _announce(self._crossing, [each.entry for each in items])
        for files in _cut([self._expected(each) for each in items]):
            while not self._errands.has_room and meanwhile():
                pass
            self._errands.wait_for_room()
            self._errands.send(self._errand(files, read_target=read_target, read_source=read_source))

    def _expected(self, item: ToVerify) -> Expected:
        if item.sha256 is not None or item.copied_seq is None:
            return Expected(item.entry, item.sha256)
        large = self._crossing.manifest.large
        has_chunks = large.growing(item.entry.path) is not None
        return Expected(item.entry, None, large.chunks(item.entry.path) if has_chunks else None)

    def _errand(self, files: Sequence[Expected], *, read_target: bool, read_source: bool) -> Errand:
        entries = {expected.entry.path: expected.entry for expected in files}

        def record(report: Verdict | Read) -> list[bytes]:
            if isinstance(report, Read):
                self._crossing.tell_moved(report.size_bytes)
                return []
            self._ledger.prove([(entries[path], sha256) for path, sha256 in report.proven])
            self._ledger.fail(report.differs)
            self._ledger.postpone(report.moved_on)
            return [path for path, _ in (*report.proven, *report.differs, *report.moved_on)]

        return Errand(
            work=reread,
            left={expected.entry.path: expected for expected in files},
            job=lambda rest: Rereading(self._crossing.way, rest, read_target, read_source),
            take=record,
        )


class _Look:
    """A look around the target, block by block: where its folders, links and names are, and what is not ours."""

    def __init__(self, crossing: Crossing, tree: TargetTree, findings: Findings) -> None:
        self.seen = crossing.manifest.look_at_target()
        self.links = Links(crossing)
        self._crossing = crossing
        self._findings = findings
        self._blocks = iter(tree.scan())
        self._is_over = False
        self._foreign: list[bytes] = []

    def go_on(self) -> bool:
        """Take in another block; False when there is none left, and all is recorded."""
        if self._is_over:
            return False
        self._crossing.stop.check()
        block = next(self._blocks, None)
        if block is None:
            self._is_over = True
            self._crossing.manifest.foreign(self._foreign)
            return False
        for place in (each for each in block if isinstance(each, Unreadable)):
            side = self._crossing.written_side
            self._crossing.warn(f"cannot list `{display(place.path)}` at the {side}: {place.reason}")
        self._take([each for each in block if isinstance(each, Entry)])
        return True

    def _take(self, entries: Sequence[Entry]) -> None:
        self.links.note(entries)
        strangers = self.seen.note(entries)
        self._findings.foreign += len(strangers)
        self._foreign.extend(strangers[: max(0, _FOREIGN_KEPT - len(self._foreign))])


def _announce(crossing: Crossing, entries: Sequence[Entry]) -> None:
    size_bytes = sum(entry.size for entry in entries)
    crossing.on_event(WorkFound(crossing.application, crossing.dataset.name, len(entries), size_bytes))


def _cut(files: Sequence[Expected]) -> Iterator[list[Expected]]:
    """Jobs of a size that keeps several movers busy."""
    job: list[Expected] = []
    size_bytes = 0
    for expected in files:
        job.append(expected)
        size_bytes += expected.entry.size
        if len(job) >= _JOB_FILES or size_bytes >= _JOB_BYTES:
            yield job
            job, size_bytes = [], 0
    if job:
        yield job
