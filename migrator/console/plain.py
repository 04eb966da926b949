"""Progress without a terminal: a line for what happens, and one every ten seconds for what goes on."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from migrator.console.meter import Meter, Reading
from migrator.console.output import Output
from migrator.console.sentences import Sentences, progress_parts
from migrator.console.wording import countdown_text, printable
from migrator.domain.durations import duration_text
from migrator.domain.events import BytesMoved, Event, ScanProgress, WorkFound

_SAMPLE_SECONDS = 1.0
# These only feed the figures.
_FIGURES = (BytesMoved, ScanProgress, WorkFound)


class PlainProgress:
    """A listener that writes lines with the local time; to be used as a context, which runs its clock."""

    def __init__(self, output: Output, *, is_verbose: bool, every_seconds: float = 10.0) -> None:
        self._output = output
        self._meter = Meter()
        self._sentences = Sentences(is_verbose=is_verbose)
        self._every = every_seconds
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="progress lines", daemon=True)

    def __enter__(self) -> Self:
        self._ticker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._ticker.join()

    def __call__(self, event: Event) -> None:
        """Count the event, and write a line when it deserves one."""
        self._meter(event)
        if not isinstance(event, _FIGURES):
            text = self._sentences.of(event)
            if text is not None:
                self._report(text)

    def say(self, text: str) -> None:
        """Write one line as it is."""
        self._output.line(printable(text))

    def _report(self, text: str) -> None:
        self._output.line(f"{dt.datetime.now().astimezone():%Y-%m-%d %H:%M:%S} {printable(text)}")

    def _tick(self) -> None:
        waited = 0.0
        while not self._stop.wait(min(_SAMPLE_SECONDS, self._every)):
            readings = self._meter.readings()  # also the sampling for the rates
            waited += min(_SAMPLE_SECONDS, self._every)
            if waited < self._every:
                continue
            waited = 0.0
            for reading in readings:
                parts = ", ".join(progress_parts(reading))
                self._report(f"{reading.application}: {reading.step}: {parts}{''.join(_badges(reading))}")


def _badges(reading: Reading) -> Iterator[str]:
    if reading.frozen_seconds is not None:
        yield f"; FROZEN for {duration_text(reading.frozen_seconds)}"
    if reading.abort_seconds is not None:
        yield f"; last safe moment to abort {countdown_text(reading.abort_seconds)}"
