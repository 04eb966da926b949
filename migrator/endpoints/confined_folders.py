"""Folders below a target root in which we write: made where missing, opened up where closed, synced when touched."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from migrator.endpoints.beneath import FOLDER_FLAGS, Folder, Folders
from migrator.endpoints.file_systems import FileSystems
from migrator.endpoints.local_metadata import open_up

Answer = TypeVar("Answer")

_SYNC_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

# From more folders than this on, one syncfs is cheaper than an fsync each (measured on ext4).
FEW = 4


class ConfinedFolders:
    """The folders beneath a target root, for writing; errors are OSError, as `Folders` raises them."""

    def __init__(self, folders: Folders, file_systems: FileSystems) -> None:
        self.folders = folders
        self._file_systems = file_systems
        self._touched: dict[bytes, int] = {}  # path -> device

    def reach(self, path: bytes, *, makes_missing: bool = True) -> Folder:
        """The open folder at `path`, made if missing unless told otherwise, good until the next call."""
        try:
            return self.folders.open(path)
        except FileNotFoundError:
            if not makes_missing:
                raise
            return self._make(path)
        except PermissionError:
            if not self._open_up_parents(path):
                raise
        return self.reach(path, makes_missing=makes_missing)

    def within(self, path: bytes, act: Callable[[Folder], Answer], *, makes_missing: bool = True) -> Answer:
        """What `act` answers, given the open folder at `path` as `reach` finds it.

        Where a folder of our own forbids it, it is opened up for its owner, and `act` tried once more. The pass that
        writes here gives the folder its mode back, since it settles every folder whose content changed.
        """
        folder = self.reach(path, makes_missing=makes_missing)
        try:
            return act(folder)
        except PermissionError:
            if not open_up(folder.fd):
                raise
            return act(folder)

    def touch(self, path: bytes, device: int) -> None:
        """Remember that the names in the folder at `path` changed, for `sync`."""
        self._touched[path] = device

    def forget(self, path: bytes) -> None:
        """Let go of a folder that is no longer there."""
        self._touched.pop(path, None)
        self.folders.forget(path)

    def sync(self) -> None:
        """Make the changed names of every touched folder durable; OSError when that fails for one of them."""
        touched, self._touched = self._touched, {}
        if len(touched) > FEW:
            touched = self._sync_file_systems(touched)
        for path, device in touched.items():
            self._sync_folder(path, device)

    def _sync_file_systems(self, touched: dict[bytes, int]) -> dict[bytes, int]:
        """Sync the file systems that can be; the folders that are left to be synced one by one."""
        devices = set(touched.values())
        synced = {device for device in devices if self._file_systems.watches(device)}
        for device in synced:
            self._file_systems.sync(device)
        return {path: device for path, device in touched.items() if device not in synced}

    def _sync_folder(self, path: bytes, device: int) -> None:
        folder = self.folders.open(path)
        try:
            sync_fd = os.open(b".", _SYNC_FLAGS, dir_fd=folder.fd)
        except PermissionError:
            if not self._file_systems.watches(device):
                raise
            self._file_systems.sync(device)  # a folder that we may not list cannot be synced by itself
            return
        try:
            os.fsync(sync_fd)
        finally:
            os.close(sync_fd)

    def _make(self, path: bytes) -> Folder:
        """Make the folder at `path` and the missing ones above it; one that somebody else makes meanwhile will do."""
        missing = [path]
        while True:
            parent_path = missing[-1].rpartition(b"/")[0]
            try:
                self.folders.open(parent_path)
            except FileNotFoundError:
                missing.append(parent_path)
            else:
                break
        for folder_path in reversed(missing):
            parent_path, _, name = folder_path.rpartition(b"/")
            device = self.within(parent_path, partial(_make_in, name=name))
            self.touch(parent_path, device)
        return self.folders.open(path)

    def _open_up_parents(self, path: bytes) -> bool:
        """Open up every folder of ours that is on the way to `path`; whether one was."""
        has_opened = False
        names = path.split(b"/")
        for depth in range(len(names)):
            try:
                ancestor_fd = self.folders.resolve(b"/".join(names[:depth]), FOLDER_FLAGS)
            except FileNotFoundError:
                break
            try:
                has_opened |= open_up(ancestor_fd)
            finally:
                os.close(ancestor_fd)
        return has_opened


def _make_in(parent: Folder, name: bytes) -> int:
    with suppress(FileExistsError):  # made meanwhile by another mover; if it is no folder, opening it says so
        os.mkdir(name, 0o700, dir_fd=parent.fd)
    return parent.device
