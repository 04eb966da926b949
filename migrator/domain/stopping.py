"""The wish to stop, as everything that loops asks for it."""

from __future__ import annotations

import threading

from migrator.errors import Interrupted


class Stop:
    """Set once by the first signal; every loop checks it between two safe points."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._signal_number = 0

    def ask(self, signal_number: int) -> None:
        """Ask everything to end in good order."""
        self._signal_number = signal_number
        self._event.set()

    @property
    def is_asked(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise Interrupted when somebody asked."""
        if self._event.is_set():
            raise Interrupted(self._signal_number)

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until somebody asks; whether somebody did."""
        return self._event.wait(seconds)
