"""Reading many files over SFTP with the next ones always on their way."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from migrator.domain.entries import Entry
from migrator.endpoints.contract import Piece
from migrator.endpoints.sftp.incoming import AHEAD_BYTES, Window
from migrator.endpoints.sftp.large_file import LargeFile
from migrator.endpoints.sftp.session import SftpSession
from migrator.endpoints.sftp.small_file import SmallFile


class Reader:
    """One pass over files below an absolute path."""

    def __init__(self, session: SftpSession, base: bytes) -> None:
        self._session = session
        self._window = Window(session, base)
        self._queue: deque[SmallFile | LargeFile] = (
            deque()
        )  # in the order asked for; the first one's pieces are handed out

    def pieces(self, wanted: Iterable[Entry]) -> Iterator[Piece]:
        """Their content, see SourceTree.read."""
        queue = self._queue
        coming = iter(wanted)
        try:
            while self._start_more(coming):
                turn = queue[0]
                piece = turn.take()
                if piece is None:
                    self._feed(turn)
                    self._session.pump()
                    continue
                if turn.is_done:
                    queue.popleft()
                yield piece
        finally:
            self._abandon()

    def _start_more(self, coming: Iterator[Entry]) -> bool:
        """Begin as many files as the server and the memory bear; whether any file is left."""
        queue, window, handles = self._queue, self._window, self._session.handles
        while not queue or (handles.has_room and window.held_bytes < AHEAD_BYTES and not window.refused):
            entry = next(coming, None)
            if entry is None:
                break
            is_small = entry.size < self._session.read_bytes
            file = SmallFile(window, entry) if is_small else LargeFile(window, entry)
            queue.append(file)
            file.start()
        return bool(queue)

    def _feed(self, turn: SmallFile | LargeFile) -> None:
        """Ask for content of large files, first of the one whose turn it is; deal with handles that were refused."""
        window = self._window
        first = turn.careful if isinstance(turn, SmallFile) else turn
        if first is not None and first in window.hungry:
            first.fill(AHEAD_BYTES)
        if window.refused:
            self._retry_refused(first)
            return
        for file in list(window.hungry):
            if window.held_bytes >= 2 * AHEAD_BYTES:
                break
            file.fill(AHEAD_BYTES)

    def _retry_refused(self, first: LargeFile | None) -> None:
        """Open what was refused with no other handle open; files that would keep theirs until their turn give way."""
        for file in [file for file in self._window.hungry if file is not first]:
            file.park()
        if self._session.handles.open == 0 or self._session.in_flight == 0:
            self._window.refused.popleft().start()

    def _abandon(self) -> None:
        """Let go of the handles when nobody asks for more."""
        self._window.is_abandoned = True
        if not self._session.is_over:
            for file in self._queue:
                file.abandon()
