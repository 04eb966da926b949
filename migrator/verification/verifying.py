"""Prove that the target equals what was copied, and, when asked, that the source still does."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from migrator.domain.entries import Class, Entry, Kind, Unreadable, display
from migrator.domain.events import WorkFound
from migrator.journal.manifest import ToVerify
from migrator.movers.crossing import Crossing
from migrator.movers.errands import Errand, Errands
from migrator.verification.comparing import difference
from migrator.verification.linking import Links
from migrator.verification.rereading import Expected, Read, Rereading, Verdict, reread

BY_TARGET = "target bytes read again"
BY_BOTH = "both sides read again"

_JOB_FILES = 512
_JOB_BYTES = 16 * 1024 * 1024
_FOREIGN_KEPT = 10_000
_NAMED = 1_000
_AFTER_EVERYTHING = 2**62  # a seq that no item reaches: all are to be looked at


@dataclass
class Findings:
    """What a verification of one dataset brought."""

    verified: int = 0
    differing: int = 0  # at the target
    differs: list[tuple[bytes, str]] = field(default_factory=list)  # the first of them
    moving: int = 0  # at the source, since it was copied
    moved_on: list[tuple[bytes, str]] = field(default_factory=list)  # the first of them
    foreign: int = 0


def verify(crossing: Crossing, since_seq: int, *, read_source: bool) -> Findings:
    """Read the target's bytes again for every item not verified after `since_seq`; the source's too if asked.

    Each outcome is recorded as it comes, so that an interrupted verification goes on where it stopped. An item that
    differs becomes `failed`, one whose source has moved on becomes `pending`.
    """
    ledger = _Ledger(crossing, BY_BOTH if read_source else BY_TARGET)
    links = Links(crossing)
    _look_around(crossing, ledger.findings, links)
    with _Readers(crossing, ledger) as readers:
        for block in crossing.manifest.to_verify(since_seq):
            crossing.stop.check()
            ledger.compare([each.entry for each in block if each.entry.kind is not Kind.FILE])
            readers.read(block, read_target=True, read_source=read_source)
    for faults in links.faults():
        ledger.fail(faults)
    return ledger.findings


def reread_source(crossing: Crossing) -> list[tuple[bytes, str]]:
    """Read every file of the manifest at the source again; those that are no longer what was copied, with why.

    They become `pending`; nothing becomes verified by this.
    """
    ledger = _Ledger(crossing, by=None)
    with _Readers(crossing, ledger) as readers:
        for block in crossing.manifest.to_verify(_AFTER_EVERYTHING):
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

    def compare(self, entries: Sequence[Entry]) -> None:
        """Judge folders and links, in path order, by what the look around the target saw."""
        seen = self._crossing.manifest.look.among([entry.path for entry in entries])
        proven: list[tuple[Entry, bytes | None]] = []
        differs: list[tuple[bytes, str]] = []
        for entry in entries:
            found = seen.get(entry.path)
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
            self.findings.differing += len(rows)
            self.findings.differs.extend(rows[: max(0, _NAMED - len(self.findings.differs))])
            for path, reason in rows:
                self._crossing.tell_problem(path, Class.FAILED, seq, reason)

    def postpone(self, rows: Sequence[tuple[bytes, str]]) -> None:
        """Record items whose source has moved on: they must be copied again."""
        if rows:
            with self._recording:
                self._crossing.manifest.postponed(rows)
                self.findings.moving += len(rows)
                self.findings.moved_on.extend(rows[: max(0, _NAMED - len(self.findings.moved_on))])


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

    def read(self, items: Sequence[ToVerify], *, read_target: bool, read_source: bool) -> None:
        """Have the files among `items` read again; waits while enough is out."""
        _announce(self._crossing, items)
        for files in _cut([self._expected(each) for each in items if each.entry.kind is Kind.FILE]):
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


def _look_around(crossing: Crossing, findings: Findings, links: Links) -> None:
    """Scan the target: its folders and links that are ours are noted, what is not ours is recorded as foreign."""
    foreign: list[bytes] = []
    look = crossing.manifest.look
    look.begin()
    with crossing.open_target() as tree:
        for block in tree.scan():
            crossing.stop.check()
            entries = [each for each in block if isinstance(each, Entry)]
            for place in (each for each in block if isinstance(each, Unreadable)):
                crossing.warn(f"cannot list `{display(place.path)}` at the target: {place.reason}")
            links.note(entries)
            known = crossing.manifest.knows([entry.path for entry in entries])
            look.note([each for each in entries if each.path in known and each.kind is not Kind.FILE])
            strangers = [entry.path for entry in entries if entry.path not in known]
            findings.foreign += len(strangers)
            foreign.extend(strangers[: max(0, _FOREIGN_KEPT - len(foreign))])
    crossing.manifest.foreign(foreign)


def _announce(crossing: Crossing, items: Sequence[ToVerify]) -> None:
    size_bytes = sum(each.entry.size for each in items)
    crossing.on_event(WorkFound(crossing.application, crossing.dataset.name, len(items), size_bytes))


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
