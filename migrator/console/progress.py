"""Live progress on a terminal: what happened scrolls by, what goes on stands below it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from migrator.console.messages import show, show_whole
from migrator.console.meter import Meter, Reading
from migrator.console.sentences import Sentences, progress_parts
from migrator.console.wording import countdown_text, printable
from migrator.domain.durations import duration_text
from migrator.domain.events import BytesMoved, Event, Note, ScanProgress, StepEnded, StepStarted, WorkFound

# Redrawn at this pace whatever the pace of the events is.
_REFRESH_HERTZ = 5
_BAR_COLUMNS = 20
_STEP_COLUMNS = 11  # `switch-over`
_PROMPT = "$ "  # a command that can be copied
# With so little left until the last safe moment to abort, it is shown loudly.
_HURRY_SECONDS = 600.0
# These only move the figures below.
_FIGURES = (BytesMoved, ScanProgress, StepStarted, WorkFound)


class LiveProgress:
    """A listener for a terminal; to be used as a context, which draws and, at the end, takes the drawing away."""

    def __init__(self, pen: Console, *, is_verbose: bool) -> None:
        self._pen = pen
        self._meter = Meter()
        self._sentences = Sentences(is_verbose=is_verbose)
        self._live = Live(
            console=pen,
            get_renderable=self._drawing,
            refresh_per_second=_REFRESH_HERTZ,
            transient=True,
            redirect_stdout=False,
            vertical_overflow="ellipsis",
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()

    def __call__(self, event: Event) -> None:
        """Count the event, and let a line scroll by when it deserves one."""
        self._meter(event)
        if not isinstance(event, _FIGURES):
            text = self._sentences.of(event)
            if text is not None:
                show(self._pen, Text(text, style=_style_of(event)))

    def say(self, text: str) -> None:
        """Let one line scroll by."""
        line = Text(printable(text))
        (show_whole if text.startswith(_PROMPT) else show)(self._pen, line)

    def _drawing(self) -> RenderableType:
        readings = self._meter.readings()
        widest = max((len(printable(reading.application)) for reading in readings), default=0)
        return Group(*(row for reading in readings for row in _rows(reading, widest)))


def _style_of(event: Event) -> str:
    if isinstance(event, Note):
        return {"error": "bold red", "warning": "yellow", "note": ""}[event.severity]
    if isinstance(event, StepEnded):
        return "green" if event.error is None else "bold red"
    return ""


def _rows(reading: Reading, name_columns: int) -> list[RenderableType]:
    head = Table.grid(padding=(0, 2, 0, 0))
    name = printable(reading.application).ljust(name_columns)
    cells: list[RenderableType] = [Text(name, style="bold"), Text(reading.step.ljust(_STEP_COLUMNS))]
    if reading.share is not None:
        cells += [ProgressBar(total=1.0, completed=reading.share, width=_BAR_COLUMNS), Text(f"{reading.share:4.0%}")]
    if reading.frozen_seconds is not None:
        cells.append(Text(f" FROZEN for {duration_text(reading.frozen_seconds)} ", style="bold white on red"))
    if reading.abort_seconds is not None:
        cells.append(Text(f" last safe abort {countdown_text(reading.abort_seconds)} ", style=_hurry(reading)))
    head.add_row(*cells)
    return [head, Padding(Text(", ".join(progress_parts(reading))), (0, 0, 0, 2))]


def _hurry(reading: Reading) -> str:
    assert reading.abort_seconds is not None
    return "bold white on red" if reading.abort_seconds < _HURRY_SECONDS else "bold yellow"
