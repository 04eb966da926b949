"""A tree on this machine, to be written, and read again to prove it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

from migrator.domain.entries import Entry, display
from migrator.endpoints.beneath import Folders
from migrator.endpoints.confined_writer import DISK_FAULTS, ConfinedWriter, disk_fault
from migrator.endpoints.contract import Abilities, Space
from migrator.endpoints.local_entries import sentence
from migrator.endpoints.local_source import LocalSource
from migrator.endpoints.temp_names import is_temp_name
from migrator.errors import EndpointUnavailable, Held, MigratorError, Refused

_ROOT_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class LocalTarget(LocalSource):
    """The tree below `root`; it is read from the disk, not from the page cache, as far as the kernel allows."""

    def __init__(self, root: bytes, temp_key: bytes) -> None:
        super().__init__(root, hides=partial(is_temp_name, temp_key), drops_cache=True)
        self._temp_key = temp_key

    @property
    def abilities(self) -> Abilities:
        """What is kept here; only root may give files to other owners."""
        abilities = super().abilities
        return abilities if os.geteuid() == 0 else abilities._replace(keeps=abilities.keeps - {"owner"})

    def make_root(self) -> None:
        """Make the root (mode 0700) if it is missing and its parent exists, durably."""
        try:
            os.mkdir(self._root, 0o700)
            _sync_folder(os.path.dirname(self._root) or b"/")
        except FileExistsError:
            self._open_root().close()  # raises where something else than a folder stands there
        except OSError as error:
            raise self._unwritable(error) from error

    @contextmanager
    def hold(self, holder: str) -> Iterator[None]:
        """The kernel's lock on the root; it ends with the process that holds it, however that ends."""
        del holder  # nothing of a dead run is left that would have to be taken over
        try:
            lock_fd = os.open(self._root, _ROOT_FLAGS)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            try:
                fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Held(
                    f"another run holds the target `{display(self._root)}`",
                    hint="wait for it to end; its lock goes with it, nothing has to be cleaned up",
                ) from error
            except OSError as error:  # a network file system without locks
                raise self._unwritable(error) from error
            yield
        finally:
            os.close(lock_fd)

    def writer(self, keep: frozenset[str]) -> ConfinedWriter:
        """The confined writer; Refused for a word of `keep` that this lane cannot keep."""
        lost = sorted(keep - self.abilities.keeps)
        if lost:
            raise Refused(
                f"the target `{display(self._root)}` cannot keep {', '.join(lost)}",
                hint="take these words out of `keep`; owners can be kept only by root",
            )
        try:
            return ConfinedWriter(self._root, self._temp_key, keep)
        except OSError as error:
            raise self._unwritable(error) from error

    def sweep(self) -> int:
        """Remove temp files of ours that an interrupted run left anywhere below the root; how many."""
        swept = 0
        with closing(self._open_root()) as folders:
            for block in LocalSource(self._root).scan():
                # A folder that cannot be listed fails later by name, when the pass comes to it.
                swept += sum(self._sweep_one(folders, found.path) for found in block if isinstance(found, Entry))
        return swept

    def _sweep_one(self, folders: Folders, path: bytes) -> bool:
        folder_path, _, name = path.rpartition(b"/")
        if not is_temp_name(self._temp_key, name):
            return False
        try:
            os.unlink(name, dir_fd=folders.open(folder_path).fd)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._unwritable(error) from error
        return True

    def space(self) -> Space | None:
        """What the file system at the root, or at the place where it will be made, has left for us."""
        try:
            found = os.statvfs(self._root if os.path.lexists(self._root) else os.path.dirname(self._root))
        except OSError:
            return None
        return Space(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)

    def _unwritable(self, error: OSError) -> MigratorError:
        if error.errno in DISK_FAULTS:
            return disk_fault(self._root, error)
        return EndpointUnavailable(
            f"cannot use the target `{display(self._root)}` on this machine: {sentence(error)}",
            hint="the folder above it must exist, and both be open to the user that runs migrator",
        )


def _sync_folder(path: bytes) -> None:
    folder_fd = os.open(path, _ROOT_FLAGS)
    try:
        os.fsync(folder_fd)
    finally:
        os.close(folder_fd)
