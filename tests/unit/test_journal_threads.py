"""One application's memory from several threads at once: a scan, outcomes, a verification, and somebody looking on."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from migrator.domain.entries import Class, Entry, Kind
from migrator.journal.application import ApplicationJournal, ApplicationView
from migrator.journal.folder import StateFolder
from migrator.journal.manifest import Copied
from tests.support.journals import directory, file, state

BLOCKS = 20
DEADLINE_SECONDS = 120.0


class Crew:
    """Threads that share one journal, as a pass has them."""

    def __init__(self, folder: StateFolder, journal: ApplicationJournal) -> None:
        self.folder = folder
        self.journal = journal
        self.manifest = journal.manifest("files")
        self.found = threading.Semaphore(0)
        self.has_ended = threading.Event()

    def block(self, number: int) -> list[Entry]:
        return [file(b"%02d/%03d" % (number, each)) for each in range(100)]

    def scan(self) -> None:
        try:
            scan = self.manifest.begin_scan()
            scan.note([directory(b"")])
            for number in range(BLOCKS):
                scan.note(self.block(number))
                self.found.release()
            assert scan.end().is_complete
        finally:
            self.has_ended.set()

    def carry(self) -> None:
        for number in range(BLOCKS):
            assert self.found.acquire(timeout=DEADLINE_SECONDS)
            self.manifest.copied([Copied(entry, b"d" * 32, "stream") for entry in self.block(number)])
            self.journal.fail_attempt(self.journal.begin_attempt("run-1", "seed"), "only to write something", 3)

    def verify(self) -> None:
        while not self.has_ended.is_set():
            for block in self.manifest.to_verify(0):
                self.manifest.verified([(each.entry.path, each.sha256) for each in block], "read")

    def look(self) -> None:
        view = ApplicationView.open(self.folder, "portail")
        assert view is not None
        with view:
            while not self.has_ended.is_set():
                seen = view.tally().seen
                assert seen <= sum(1 for _ in view.items()) <= 100 * BLOCKS + 1


def test_scan_outcomes_and_verification_at_the_same_time(tmp_path: Path) -> None:
    folder = state(tmp_path)
    with ApplicationJournal.open(folder, "portail") as journal:
        crew = Crew(folder, journal)
        with ThreadPoolExecutor(4) as pool:
            for future in [pool.submit(each) for each in (crew.scan, crew.carry, crew.verify, crew.look)]:
                future.result(timeout=DEADLINE_SECONDS)
        tally = crew.manifest.tally()
        assert tally.seen == 100 * BLOCKS + 1
        assert tally.of(Class.ACKNOWLEDGED) + tally.of(Class.VERIFIED) == 100 * BLOCKS
        assert [entry.path for block in crew.manifest.pending(frozenset(Kind)) for entry in block] == [b""]
    view = ApplicationView.open(folder, "portail")
    assert view is not None
    with view:
        assert view.check_chain() == []
