"""Visitors of the upload site who never stop, and who know what every answer must be."""

from __future__ import annotations

import contextlib
import functools
import http.client
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.support.sshd import wait_for

PAGES = 12
_PAUSE_SECONDS = 0.02  # between two requests of one visitor: how fine the downtime is measured
_PATIENCE_SECONDS = 60.0

# Where to send the next request; asked for each one.
Address = Callable[[], tuple[str, int]]


@functools.cache
def page(number: int, version: int) -> bytes:
    """A page whose every line names its version, so that a mixture shows."""
    return b"".join(b"page %d, version %d, line %d\n" % (number, version, line) for line in range(2000))


class Answer(NamedTuple):
    """What came back; `by` is who gave it, None when it was not the application."""

    status: int
    body: bytes
    by: str | None
    at: float


@dataclass
class Visitors:
    """What the visitors saw. `version` is what the pages say now, `appearing` what they are about to say."""

    address: Address
    version: int = 1
    appearing: int = 1
    wrong: list[str] = field(default_factory=list)
    reads: list[Answer] = field(default_factory=list)
    accepted: list[Answer] = field(default_factory=list)
    refused: list[Answer] = field(default_factory=list)
    uploads: dict[str, bytes | None] = field(default_factory=dict)  # as last acknowledged; None: removed

    @contextlib.contextmanager
    def coming(self) -> Iterator[None]:
        """Two readers and two uploaders, until the block is left; then whatever was acknowledged is read once more."""
        stop = threading.Event()
        # The second reader has looked the name up once, and never asks again.
        first_address = self.address()
        calls = [
            lambda: self._read_pages(stop, self.address),
            lambda: self._read_pages(stop, lambda: first_address),
            lambda: self._upload(stop, "anna"),
            lambda: self._upload(stop, "basile"),
        ]
        threads = [threading.Thread(target=self._minding, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        try:
            self.wait_for_uploads()
            yield
            self.wait_for_uploads()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        for name in self.uploads:
            self._read_upload(name)

    def wait_for_uploads(self) -> None:
        """Return when more pages were read and more uploads were accepted."""
        reads, uploads = len(self.reads) + 20, len(self.accepted) + 20
        wait_for(
            lambda: bool(self.wrong) or (len(self.reads) >= reads and len(self.accepted) >= uploads),
            f"visitors, who saw {self.wrong}",
            30,
        )

    def wait_for_refusals(self) -> None:
        """Return when more uploads were refused."""
        refused = len(self.refused) + 5
        wait_for(lambda: len(self.refused) >= refused, "refused uploads", 30)

    @property
    def read_gap_seconds(self) -> float:
        """The longest time in which no page was read."""
        return longest_gap(self.reads)

    @property
    def upload_gap_seconds(self) -> float:
        """The longest time in which no upload was accepted."""
        return longest_gap(self.accepted)

    def _minding(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whatever ends a visitor is what the test is about
            self.wrong.append(f"a visitor met {error!r}")

    def _read_pages(self, stop: threading.Event, address: Address) -> None:
        chance = random.Random(1)
        while not stop.wait(_PAUSE_SECONDS):
            number, earliest = chance.randrange(PAGES), self.version
            answer = _ask(address(), "GET", f"/site/page-{number}.html")
            versions = range(earliest, self.appearing + 1)
            if answer.status != 200 or answer.body not in [page(number, version) for version in versions]:
                self.wrong.append(
                    f"page {number}: {answer.status} by {answer.by}: {answer.body[:40]!r}, not {versions}"
                )
            self.reads.append(answer)

    def _upload(self, stop: threading.Event, who: str) -> None:
        chance = random.Random(who)
        while not stop.wait(_PAUSE_SECONDS):
            name = f"{who}-{chance.randrange(30)}"
            if chance.random() < 0.2:
                self._change("DELETE", name, None)
            else:
                self._change("PUT", name, chance.randbytes(chance.randrange(1, 30_000)))
            self._read_upload(name)
            self._read_upload(f"{who}-{chance.randrange(30)}")

    def _change(self, method: str, name: str, content: bytes | None) -> None:
        answer = _ask(self.address(), method, f"/uploads/{name}", content)
        if answer.status in (201, 204):
            self.uploads[name] = content
            self.accepted.append(answer)
        elif answer.status == 503 and answer.by is not None:
            self.refused.append(answer)
        else:
            self.wrong.append(f"{method} {name}: {answer.status} by {answer.by}: {answer.body[:40]!r}")

    def _read_upload(self, name: str) -> None:
        expected = self.uploads.get(name)
        answer = _ask(self.address(), "GET", f"/uploads/{name}")
        if (answer.status, answer.body) != ((404, b"") if expected is None else (200, expected)):
            self.wrong.append(f"{name}: {answer.status} by {answer.by}, {len(answer.body)} bytes")


def longest_gap(answers: list[Answer]) -> float:
    """The longest time between two answers that follow each other, in seconds."""
    times = sorted(answer.at for answer in answers)
    return max(later - earlier for earlier, later in itertools.pairwise(times))


def _ask(address: tuple[str, int], method: str, path: str, body: bytes | None = None) -> Answer:
    connection = http.client.HTTPConnection(*address, timeout=_PATIENCE_SECONDS)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return Answer(response.status, response.read(), response.headers["Served-By"], time.monotonic())
    finally:
        connection.close()
