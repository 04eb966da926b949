"""How many files and folders one session may have open."""

from __future__ import annotations

from migrator.endpoints.sftp import wire

HANDLES_WHERE_LIMITS_ARE_TOLD = 128
HANDLES_ELSEWHERE = 32
_FRUITLESS_RETRIES = 8


class Handles:
    """How many handles are open, how many may be, and what was learned from refusals."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.open = 0  # asked for and not yet known to be closed
        self._fruitless = 0

    @property
    def has_room(self) -> bool:
        """Whether one more may be opened."""
        return self.open < self.limit

    def is_worth_retrying(self, code: int) -> bool:
        """Whether an OPEN refused with `code`, and already taken off `open`, may succeed with no other handle open.

        Servers report "too many open files" as a plain failure. The limit comes down to what was open then; where
        retries have turned out fruitless again and again, a failure is taken at its word.
        """
        return code == wire.FAILURE and self.open > 0 and self._fruitless < _FRUITLESS_RETRIES

    def learn(self, *, retry_succeeded: bool, open_when_refused: int) -> None:
        """Take note of how a retry with no other handle open went."""
        if retry_succeeded:
            self._fruitless = 0
            self.limit = max(1, min(self.limit, open_when_refused))
        else:
            self._fruitless += 1
