"""Reading files of this machine: each is looked at when open and again after its last byte."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from migrator.domain.entries import Entry
from migrator.endpoints.beneath import Folder, Folders
from migrator.endpoints.contract import Piece, Problem
from migrator.endpoints.local_entries import entry_of, sentence

_PIECE_BYTES = 1 << 20
# O_NONBLOCK: a FIFO that took the file's place must not make us wait for a writer.
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY

# A folder is resolved anew after so many files, so that one that was replaced is not read from for long.
_FILES_PER_LOOK = 256


def read_files(folders: Folders, wanted: Iterable[Entry], *, drops_cache: bool) -> Iterator[Piece]:
    """The pieces of the wanted files, in order, one file open at a time; problems are pieces, never exceptions."""
    reading = _Reading(folders, drops_cache=drops_cache)
    for entry in wanted:
        yield from reading.pieces(entry)


@dataclass(slots=True)
class _OpenFile:
    """A file that is being read, as it was when it was opened."""

    entry: Entry
    fd: int
    folder_fd: int
    name: bytes
    before: os.stat_result

    def ended(self, delivered: int, data: bytes, *, has_more: bool) -> Piece:
        """The last piece, after another look at the path: the same file, unchanged and complete, or a problem."""
        entry = self.entry
        try:
            after = os.stat(self.name, dir_fd=self.folder_fd, follow_symlinks=False)
        except FileNotFoundError:
            return Piece(entry, data, problem=Problem.CHANGED, reason="it was removed while it was read")
        if _identity(after) != _identity(self.before):
            return Piece(entry, data, problem=Problem.CHANGED, reason="it changed while it was read")
        if delivered < after.st_size:
            return Piece(entry, data, problem=Problem.FAILED, reason=f"short read {delivered} of {after.st_size}")
        if has_more:
            return Piece(entry, data, problem=Problem.FAILED, reason=f"more to read than its size of {after.st_size}")
        return Piece(entry, data, entry_of(entry.path, after))


class _Reading:
    def __init__(self, folders: Folders, *, drops_cache: bool) -> None:
        self._folders = folders
        self._drops_cache = drops_cache
        self._folder_path: bytes | None = None
        self._files_left = 0
        self._user = os.geteuid()

    def pieces(self, entry: Entry) -> Iterator[Piece]:
        try:
            opened = self._open(entry)
        except OSError as error:
            yield _not_opened(entry, error)
            return
        try:
            if not stat.S_ISREG(opened.before.st_mode):
                yield Piece(entry, b"", problem=Problem.CHANGED, reason="it is no longer a file")
                return
            if self._drops_cache:
                os.posix_fadvise(opened.fd, 0, 0, os.POSIX_FADV_DONTNEED)
            if opened.before.st_size < _PIECE_BYTES:
                yield _small(opened)
            else:
                yield from _large(opened)
        except OSError as error:
            yield Piece(entry, b"", problem=Problem.FAILED, reason=sentence(error))
        finally:
            os.close(opened.fd)

    def _open(self, entry: Entry) -> _OpenFile:
        folder_path, _, name = entry.path.rpartition(b"/")
        folder = self._folder(folder_path)
        fd = self._open_quietly(name, folder.fd, is_ours=self._user in {0, entry.uid})
        return _OpenFile(entry, fd, folder.fd, name, os.fstat(fd))

    def _folder(self, path: bytes) -> Folder:
        if path != self._folder_path or self._files_left == 0:
            self._folder_path = None
            folder = self._folders.open_again(path)
            self._folder_path = path
            self._files_left = _FILES_PER_LOOK
        else:
            folder = self._folders.open(path)
        self._files_left -= 1
        return folder

    @staticmethod
    def _open_quietly(name: bytes, folder_fd: int, *, is_ours: bool) -> int:
        """Open a file to read, without leaving a trace in its access time where that is allowed to us."""
        if is_ours:
            try:
                return os.open(name, _READ_FLAGS | os.O_NOATIME, dir_fd=folder_fd)
            except PermissionError as error:
                if error.errno != errno.EPERM:  # EACCES: the file itself is closed to us
                    raise
        return os.open(name, _READ_FLAGS, dir_fd=folder_fd)


def _small(opened: _OpenFile) -> Piece:
    """The only piece of a file below `_PIECE_BYTES`: as a rule one read that also finds the end."""
    size = opened.before.st_size
    data = os.read(opened.fd, size + 1)
    while len(data) < size:
        more = os.read(opened.fd, size + 1 - len(data))
        if not more:
            break
        data += more
    return opened.ended(len(data), data[:size], has_more=len(data) > size)


def _large(opened: _OpenFile) -> Iterator[Piece]:
    size = opened.before.st_size
    os.posix_fadvise(opened.fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    delivered = 0
    while delivered < size:
        data = os.read(opened.fd, min(_PIECE_BYTES, size - delivered))
        if not data:
            break
        delivered += len(data)
        yield Piece(opened.entry, data)
    has_more = delivered == size and os.read(opened.fd, 1) != b""
    yield opened.ended(delivered, b"", has_more=has_more)


def _identity(found: os.stat_result) -> tuple[int, ...]:
    """What must be the same before and after: which file, its kind, its size, and when content and facts changed."""
    return (
        found.st_dev,
        found.st_ino,
        stat.S_IFMT(found.st_mode),
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )


def _not_opened(entry: Entry, error: OSError) -> Piece:
    """What it means that `entry` cannot be opened: gone, something else by now, or closed to us."""
    if error.errno == errno.ENOENT:
        return Piece(entry, b"", problem=Problem.VANISHED, reason="it was gone before it could be read")
    if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.ENXIO}:  # a link, a file in the path, a socket or a FIFO
        return Piece(entry, b"", problem=Problem.CHANGED, reason="something else stands there now")
    return Piece(entry, b"", problem=Problem.FAILED, reason=sentence(error))
