"""A tree on this machine, to be read."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing

from migrator.domain.entries import Entry, Kind, Unreadable, display
from migrator.endpoints.beneath import Folders, check_path
from migrator.endpoints.contract import Abilities, Piece
from migrator.endpoints.local_entries import entry_of, look_at, sentence
from migrator.endpoints.local_reading import read_files
from migrator.errors import EndpointUnavailable, Incomplete, MigratorError

_BLOCK_ENTRIES = 1000
_LIST_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOTHING_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})

_ABILITIES = Abilities(
    lane="local",
    peer="this machine",
    keeps=frozenset({"mode", "times", "owner", "setid"}),
    sees_ctime=True,
    can_run=True,
    syncs_directories=True,
)


class LocalSource:
    """The tree below `root`; between two calls nothing of it is held open, so a root that is replaced is noticed.

    File systems mounted below the root are part of the tree, as with rsync's defaults. `hides` says which names are
    left out of scans and looks. `drops_cache` makes every read come from the disk as far as the kernel allows:
    clean pages are dropped from its cache first.
    """

    def __init__(self, root: bytes, *, hides: Callable[[bytes], bool] | None = None, drops_cache: bool = False) -> None:
        self._root = root
        self._hides = hides
        self._drops_cache = drops_cache

    @property
    def abilities(self) -> Abilities:
        """What a local tree sees and keeps."""
        return _ABILITIES

    def scan(self) -> Iterator[Sequence[Entry | Unreadable]]:
        """Every entry below the root, in blocks of about 1,000, one folder open at a time; see SourceTree.scan."""
        with closing(self._open_root()) as folders:
            yield from _Scan(folders, self._hides, self._unavailable).blocks()

    def stat(self, path: bytes) -> Entry | None:
        """The entry at `path`, links not followed; None when there is none; raises where that cannot be told."""
        try:
            if path == b"":
                return entry_of(path, os.stat(self._root))
            folder_path, _, name = path.rpartition(b"/")
            check_path(name)
            if self._hides is not None and self._hides(name):
                return None
            with closing(Folders(self._root)) as folders:
                return look_at(folders.open(folder_path).fd, name, path)
        except OSError as error:
            if error.errno in _NOTHING_THERE:
                return None
            if path == b"":
                raise self._unavailable(error) from error
            raise Incomplete(
                f"cannot look at `{display(path)}` below `{display(self._root)}`: {sentence(error)}",
                hint="its folder must be searchable for the user that runs migrator",
            ) from error

    def read(self, wanted: Iterable[Entry]) -> Iterator[Piece]:
        """The content of the wanted files, in the order asked for; see SourceTree.read."""
        with closing(self._open_root()) as folders:
            yield from read_files(folders, wanted, drops_cache=self._drops_cache)

    def close(self) -> None:
        """Nothing is held between two calls."""

    def _open_root(self) -> Folders:
        try:
            return Folders(self._root)
        except OSError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: OSError) -> MigratorError:
        reason = "it is not a folder" if error.errno == errno.ENOTDIR else sentence(error)
        return EndpointUnavailable(
            f"cannot read the folder `{display(self._root)}` on this machine: {reason}",
            hint="it must exist, and be readable and searchable for the user that runs migrator",
        )


class _Scan:
    """One walk over a tree, folders before what is in them; its memory is the folders still to be listed."""

    def __init__(
        self,
        folders: Folders,
        hides: Callable[[bytes], bool] | None,
        unavailable: Callable[[OSError], MigratorError],
    ) -> None:
        self._folders = folders
        self._hides = hides
        self._unavailable = unavailable
        self._to_list: list[bytes] = [b""]
        self._block: list[Entry | Unreadable] = []

    def blocks(self) -> Iterator[Sequence[Entry | Unreadable]]:
        while self._to_list:
            path = self._to_list.pop()
            try:
                listing_fd = self._folders.resolve(path, _LIST_FLAGS)
            except OSError as error:
                self._cannot_list(path, error)
                continue
            try:
                yield from self._list(path, listing_fd)
            finally:
                os.close(listing_fd)
        if self._block:
            yield self._block

    def _list(self, path: bytes, listing_fd: int) -> Iterator[Sequence[Entry | Unreadable]]:
        if path == b"":
            self._block.append(entry_of(b"", os.stat(listing_fd)))
        prefix = path + b"/" if path else b""
        try:
            with os.scandir(listing_fd) as listing:
                for found in listing:
                    self._note(prefix, os.fsencode(found.name), found, listing_fd)
                    if len(self._block) >= _BLOCK_ENTRIES:
                        block, self._block = self._block, []
                        yield block
        except OSError as error:
            self._cannot_list(path, error)

    def _note(self, prefix: bytes, name: bytes, found: os.DirEntry[str], listing_fd: int) -> None:
        """Take one entry into the block; one that vanished since it was listed is no longer part of the tree."""
        if self._hides is not None and self._hides(name):
            return
        path = prefix + name
        try:
            if found.is_symlink():
                entry = look_at(listing_fd, name, path)
            else:
                entry = entry_of(path, found.stat(follow_symlinks=False))
        except FileNotFoundError:
            return
        self._block.append(entry)
        if entry.kind is Kind.DIRECTORY:
            self._to_list.append(path)

    def _cannot_list(self, path: bytes, error: OSError) -> None:
        if path == b"":
            raise self._unavailable(error) from error
        if error.errno != errno.ENOENT:  # a folder that is gone by now has no content that could be unknown
            self._block.append(Unreadable(path, sentence(error)))
