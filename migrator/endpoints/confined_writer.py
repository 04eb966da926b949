"""The only way anything is written below a target root on this machine."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from migrator.domain.entries import Entry, Kind, display
from migrator.endpoints.beneath import Folder, Folders, Resolver, check_path
from migrator.endpoints.confined_folders import FEW, ConfinedFolders
from migrator.endpoints.contract import Landed
from migrator.endpoints.file_systems import FileSystems
from migrator.endpoints.local_entries import kind_of, sentence
from migrator.endpoints.local_metadata import Metadata
from migrator.endpoints.temp_names import new_temp_name
from migrator.errors import EndpointUnavailable, Incomplete, MigratorError

_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
DISK_FAULTS = _FULL | {errno.EROFS, errno.EIO}


@dataclass(slots=True)
class _Temp:
    """A file or link under its temp name; `problem` once it cannot land any more, `fd` while it is open."""

    path: bytes
    folder: bytes
    name: bytes
    temp_name: bytes
    device: int = 0
    fd: int = -1
    written_bytes: int = 0
    is_synced: bool = False  # its content needs no sync at the commit
    problem: str | None = None


class ConfinedWriter:
    """A Writer beneath one root on this machine; see the contract for what its methods promise."""

    def __init__(self, root: bytes, temp_key: bytes, keep: frozenset[str], *, resolver: Resolver | None = None) -> None:
        self._root = root
        self._temp_key = temp_key
        self._metadata = Metadata(keep)
        self._file_systems = FileSystems()
        self._folders = Folders(root, resolver=resolver)
        self._confined = ConfinedFolders(self._folders, self._file_systems)
        self._watch(self._folders.open(b""))
        self._current: _Temp | None = None
        self._group: list[_Temp] = []

    def begin(self, entry: Entry) -> None:
        """Open a temp file for `entry.path`, mode 0600; a problem waits for the item's Landed."""
        self.abandon()
        temp = self._new_temp(entry.path)
        self._current = temp
        self._guarded(temp, partial(self._create, temp))

    def write(self, data: bytes) -> None:
        """Append to the open file."""
        temp = self._current
        if temp is None or temp.problem is not None:
            return
        self._guarded(temp, partial(_write_all, temp, data))

    def finish(self, entry: Entry) -> None:
        """Set owner, mode and times of `entry` as far as they are kept, and close; the rename waits for `commit`."""
        temp, self._current = self._current, None
        if temp is None:
            raise RuntimeError("finish without begin")
        self._group.append(temp)
        if temp.problem is None:
            self._guarded(temp, partial(self._complete, temp, entry))

    def abandon(self) -> None:
        """Remove the open temp file, if there is one."""
        temp, self._current = self._current, None
        if temp is not None:
            self._discard(temp)

    def link(self, entry: Entry) -> None:
        """Make the symbolic link `entry.link` under a temp name; the rename waits for `commit`."""
        temp = self._new_temp(entry.path)
        self._group.append(temp)
        self._guarded(temp, partial(self._create_link, temp, entry))

    def commit(self) -> list[Landed]:
        """Sync the data, rename what was finished, sync the folders; a failed sync is every item's problem."""
        self.abandon()
        group = self._group
        self._sync_data(group)
        by_folder: dict[bytes, list[_Temp]] = {}
        for temp in group:
            if temp.problem is None:
                by_folder.setdefault(temp.folder, []).append(temp)
        for folder_path, temps in by_folder.items():
            self._rename(folder_path, temps)
        self._sync_names([temp for temp in group if temp.problem is None])
        self._group = []
        return [Landed(temp.path, temp.problem) for temp in group]

    def settle(self, directories: Sequence[Entry]) -> list[Landed]:
        """Make the folders where missing and give them their owner, mode and times, in the order given; durable."""
        return self._durable([self._landed(entry, self._settle) for entry in directories])

    def remove(self, entries: Sequence[Entry]) -> list[Landed]:
        """Remove files, links and empty folders, in the order given; what is of another kind stays, a problem."""
        return self._durable([self._landed(entry, self._remove) for entry in entries])

    def close(self) -> None:
        """Remove temp files that were not committed, and let go; may be called twice."""
        self.abandon()
        group, self._group = self._group, []
        for temp in group:
            self._discard(temp)
        self._folders.close()
        self._file_systems.close()

    def _new_temp(self, path: bytes) -> _Temp:
        check_path(path)
        folder, _, name = path.rpartition(b"/")
        return _Temp(path, folder, name, new_temp_name(self._temp_key))

    def _watch(self, folder: Folder) -> None:
        self._file_systems.watch(folder.fd, folder.device)

    def _create(self, temp: _Temp) -> None:
        def create(folder: Folder) -> None:
            self._watch(folder)
            temp.device = folder.device
            temp.fd = os.open(temp.temp_name, _CREATE_FLAGS, 0o600, dir_fd=folder.fd)

        self._confined.within(temp.folder, create)

    def _create_link(self, temp: _Temp, entry: Entry) -> None:
        if entry.link is None:
            raise OSError(errno.EINVAL, "the text of the link is not known")

        def create(folder: Folder) -> None:
            self._watch(folder)
            temp.device = folder.device
            os.symlink(entry.link or b"", temp.temp_name, dir_fd=folder.fd)
            self._metadata.set_on_link(folder.fd, temp.temp_name, entry)

        self._confined.within(temp.folder, create)
        temp.is_synced = True  # its text lies in the inode, which the sync of its folder brings along

    def _complete(self, temp: _Temp, entry: Entry) -> None:
        if temp.written_bytes != entry.size:
            raise OSError(errno.EINVAL, f"{temp.written_bytes} bytes came of {entry.size}")
        self._metadata.set_on_file(temp.fd, entry)
        if not self._file_systems.watches(temp.device):
            os.fsync(temp.fd)
            temp.is_synced = True
        if temp.is_synced or len(self._group) > FEW:
            _close(temp)

    def _sync_data(self, group: list[_Temp]) -> None:
        waiting = [temp for temp in group if temp.problem is None and not temp.is_synced]
        if all(temp.fd >= 0 for temp in waiting):
            for temp in waiting:
                self._synced([temp], partial(os.fsync, temp.fd))
        else:
            for device in {temp.device for temp in waiting}:
                on_device = [temp for temp in waiting if temp.device == device]
                self._synced(on_device, partial(self._file_systems.sync, device))
        for temp in group:
            _close(temp)

    def _synced(self, temps: list[_Temp], sync: Callable[[], None]) -> None:
        """Run `sync` for `temps`: when it fails none of them may land, since nobody knows whose bytes are missing."""
        try:
            sync()
        except OSError as error:
            if error.errno in _FULL:
                raise self._given_up(error) from error
            self._spoil(temps, f"not durable: {sentence(error)}")

    def _rename(self, folder_path: bytes, temps: list[_Temp]) -> None:
        try:
            folder = self._folders.confirm(folder_path)
        except OSError as error:
            self._spoil(temps, sentence(error))
            return
        self._confined.touch(folder_path, folder.device)
        for temp in temps:
            self._guarded(temp, partial(self._confined.within, folder_path, partial(_rename_in, temp)))

    def _sync_names(self, temps: list[_Temp]) -> None:
        try:
            self._confined.sync()
        except OSError as error:
            for temp in temps:
                temp.problem = f"in place, but not durable: {sentence(error)}"

    def _settle(self, entry: Entry) -> None:
        self._folders.forget(entry.path)  # what the path leads to now is settled, not what it led to once
        folder = self._confined.reach(entry.path)
        self._watch(folder)
        self._metadata.set_on_folder(folder.fd, entry)
        self._confined.touch(entry.path, folder.device)

    def _remove(self, entry: Entry) -> None:
        check_path(entry.path)
        folder_path, _, name = entry.path.rpartition(b"/")

        def remove(folder: Folder) -> None:
            found = kind_of(os.stat(name, dir_fd=folder.fd, follow_symlinks=False).st_mode)
            if found is not entry.kind or found is Kind.SPECIAL:
                raise OSError(errno.EEXIST, f"a {found} stands there, which is not ours")
            if found is Kind.DIRECTORY:
                os.rmdir(name, dir_fd=folder.fd)
                self._confined.forget(entry.path)
            else:
                os.unlink(name, dir_fd=folder.fd)
            self._confined.touch(folder_path, folder.device)

        self._folders.forget(folder_path)
        with suppress(FileNotFoundError):  # what is gone already counts as removed
            self._confined.within(folder_path, remove, makes_missing=False)

    def _landed(self, entry: Entry, act: Callable[[Entry], None]) -> Landed:
        try:
            act(entry)
        except OSError as error:
            if error.errno in DISK_FAULTS:
                raise self._given_up(error) from error
            reason = "it holds entries that are not ours" if error.errno == errno.ENOTEMPTY else sentence(error)
            return Landed(entry.path, reason)
        return Landed(entry.path)

    def _durable(self, outcomes: list[Landed]) -> list[Landed]:
        try:
            self._confined.sync()
        except OSError as error:
            reason = f"done, but not durable: {sentence(error)}"
            return [Landed(outcome.path, outcome.problem or reason) for outcome in outcomes]
        return outcomes

    def _guarded(self, temp: _Temp, act: Callable[[], None]) -> None:
        """Run `act` for one item: a failure is that item's problem, unless the disk is full or failing."""
        try:
            act()
        except OSError as error:
            if error.errno in DISK_FAULTS:
                raise self._given_up(error) from error
            self._spoil([temp], sentence(error))

    def _spoil(self, temps: list[_Temp], reason: str) -> None:
        for temp in temps:
            self._discard(temp)
            temp.problem = reason
        for temp in temps:
            self._folders.forget(temp.folder)  # its path may lead to another folder by now

    def _discard(self, temp: _Temp) -> None:
        _close(temp)
        folder = self._folders.last_known(temp.folder)
        with suppress(OSError):  # never made, renamed already, or left for the next run to sweep
            folder = folder or self._folders.open(temp.folder)
            os.unlink(temp.temp_name, dir_fd=folder.fd)

    def _given_up(self, error: OSError) -> MigratorError:
        """The error to raise when the disk is full or failing, after our temp files were removed."""
        self.close()
        return disk_fault(self._root, error)


def disk_fault(root: bytes, error: OSError) -> MigratorError:
    """The error to raise when the disk below a target root is full or failing."""
    if error.errno in _FULL:
        return Incomplete(
            f"the target `{display(root)}` is full: {error.strerror}",
            hint="make room there (bytes, inodes or quota), then type the same command again",
        )
    return EndpointUnavailable(
        f"the target `{display(root)}` cannot be written: {error.strerror}",
        hint="look at its disk and how it is mounted, then type the same command again",
    )


def _write_all(temp: _Temp, data: bytes) -> None:
    written = os.write(temp.fd, data)
    temp.written_bytes += written
    if written < len(data):  # seldom: just before the disk is full
        _write_all(temp, data[written:])


def _rename_in(temp: _Temp, folder: Folder) -> None:
    os.rename(temp.temp_name, temp.name, src_dir_fd=folder.fd, dst_dir_fd=folder.fd)


def _close(temp: _Temp) -> None:
    if temp.fd >= 0:
        os.close(temp.fd)
        temp.fd = -1
