"""A text stream that whoever reads it may close at any time: that stops nothing."""

from __future__ import annotations

import errno
import io
import threading
from collections.abc import Callable
from typing import TextIO

from migrator.errors import LocalFault


class Output(io.TextIOBase):
    """A stream whose first failing write ends the writing and raises nothing; `failure` says why. Thread-safe."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._is_told = False
        self.failure: OSError | None = None

    def line(self, text: str) -> None:
        """Write `text` and a line end at once, so that lines of several threads never mix, and flush."""
        self.write(text + "\n")
        self.flush()

    def write(self, text: str) -> int:
        """Write, or drop the text when nobody reads any more; always says that all of it went out."""
        with self._lock:
            if self.failure is None:
                self._attempt(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        with self._lock:
            if self.failure is None:
                self._attempt(self._stream.flush)

    def _attempt(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            self.failure = error
        except ValueError:  # "I/O operation on closed file"
            self.failure = OSError(errno.EBADF, "the stream is closed")

    def isatty(self) -> bool:
        """Whether a person is looking."""
        try:
            return self._stream.isatty()
        except ValueError:
            return False

    def fileno(self) -> int:
        """The descriptor below."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """How the text becomes bytes."""
        return self._stream.encoding or "utf-8"

    @property
    def speaks_utf8(self) -> bool:
        """Whether every character can be written as it is."""
        return self.encoding.lower().replace("_", "-") in ("utf-8", "utf8")

    @property
    def has_reader(self) -> bool:
        """Whether all that was written so far went out."""
        return self.failure is None

    def take_loss(self) -> str | None:
        """Why text was lost, unless only because the reader left; told once."""
        failure, is_told = self.failure, self._is_told
        self._is_told = failure is not None
        if failure is None or is_told or failure.errno in (errno.EPIPE, errno.EBADF):
            return None
        return f"the output could not be written: {failure.strerror}"

    def require_complete(self) -> None:
        """Raise LocalFault when text was lost although somebody wanted it, and nobody was told yet."""
        if (loss := self.take_loss()) is not None:
            raise LocalFault(loss, hint="make room where the output goes, then type the same command again")
