"""Folders beneath a root, opened without following a link, whatever happens to the tree meanwhile."""

from __future__ import annotations

import ctypes
import errno
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from migrator.domain.entries import display
from migrator.errors import SafetyStop

# A descriptor of a folder that needs no right to list it; enough for every *at call.
FOLDER_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

# (root descriptor, path of at most PATH_MAX bytes, flags) -> descriptor; OSError as open(2) and openat2(2) say.
Resolver = Callable[[int, bytes, int], int]

_OPENAT2 = 437  # the same number on every Linux architecture
_RESOLVE_NO_SYMLINKS = 0x04
_RESOLVE_BENEATH = 0x08
_LONGEST_PATH = 4000  # the kernel takes 4096 bytes, the ending NUL included

_libc = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    """`struct open_how` of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def by_openat2(root_fd: int, path: bytes, flags: int) -> int:
    """Open `path` with one system call that refuses every link on the way; needs Linux 5.6."""
    how = _OpenHow(flags, 0, _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS)
    descriptor: int = _libc.syscall(_OPENAT2, root_fd, path, ctypes.byref(how), ctypes.sizeof(how))
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return descriptor


def by_walk(root_fd: int, path: bytes, flags: int) -> int:
    """Open `path` component by component, each without following a link; for kernels without openat2."""
    *parents, last = path.split(b"/")
    folder_fd = root_fd
    try:
        for name in parents:
            next_fd = os.open(name, FOLDER_FLAGS, dir_fd=folder_fd)
            if folder_fd != root_fd:
                os.close(folder_fd)
            folder_fd = next_fd
        return os.open(last, flags | os.O_NOFOLLOW, dir_fd=folder_fd)
    finally:
        if folder_fd != root_fd:
            os.close(folder_fd)


def best_resolver(root_fd: int) -> Resolver:
    """`by_openat2` where the kernel, and the sandbox we may run in, have it; `by_walk` elsewhere."""
    try:
        os.close(by_openat2(root_fd, b".", FOLDER_FLAGS))
    except OSError as error:
        if error.errno in {errno.ENOSYS, errno.EPERM, errno.EINVAL}:
            return by_walk
        raise
    return by_openat2


def check_path(path: bytes) -> None:
    """Raise SafetyStop for a relative path that could mean something else than the entry it names."""
    if b"\0" in path or any(name in {b"", b".", b".."} for name in path.split(b"/")):
        raise SafetyStop(
            f"the path `{display(path)}` is not that of an entry below a root",
            hint="a listing that holds such a name is wrong or hostile; nothing was written for it",
        )


class Folder(NamedTuple):
    """An open folder: its descriptor (FOLDER_FLAGS) and the file system it lies on."""

    fd: int
    device: int


class Folders:
    """Folders beneath one root by their paths; the least recently used of `capacity` descriptors is closed.

    The root itself is opened at once, links in its own path followed as anywhere. A descriptor that was handed out
    is good until the next call. Errors are OSError: ENOENT, and ELOOP or ENOTDIR where no real folder stands.
    """

    def __init__(self, root: bytes, *, resolver: Resolver | None = None, capacity: int = 256) -> None:
        root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._root = Folder(root_fd, os.stat(root_fd).st_dev)
        self._resolve = resolver or best_resolver(root_fd)
        self._capacity = capacity
        self._open: OrderedDict[bytes, Folder] = OrderedDict()

    def open(self, path: bytes) -> Folder:
        """The folder at `path`, from the cache if it was opened before."""
        if path == b"":
            return self._root
        folder = self._open.get(path)
        if folder is not None:
            self._open.move_to_end(path)
            return folder
        fd = self.resolve(path, FOLDER_FLAGS)
        folder = Folder(fd, os.stat(fd).st_dev)
        self._open[path] = folder
        if len(self._open) > self._capacity:
            _, oldest = self._open.popitem(last=False)
            os.close(oldest.fd)
        return folder

    def open_again(self, path: bytes) -> Folder:
        """The folder that is at `path` now, never from the cache."""
        self.forget(path)
        return self.open(path)

    def confirm(self, path: bytes) -> Folder:
        """The folder as `open` gives it, after proof that `path` still leads there; ESTALE when it was replaced."""
        folder = self.open(path)
        now_fd = self.resolve(path, FOLDER_FLAGS)
        try:
            if not os.path.samestat(os.stat(now_fd), os.stat(folder.fd)):
                raise OSError(errno.ESTALE, "the folder was replaced meanwhile", path)
        finally:
            os.close(now_fd)
        return folder

    def last_known(self, path: bytes) -> Folder | None:
        """The folder that `path` led to when it was last opened, if it is still cached."""
        return self._root if path == b"" else self._open.get(path)

    def resolve(self, path: bytes, flags: int) -> int:
        """A descriptor of the folder at `path` that the caller closes; `flags` need O_DIRECTORY."""
        if path == b"":
            return os.open(b".", flags, dir_fd=self._root.fd)
        check_path(path)
        *parts, last = _in_parts(path)
        folder_fd = self._root.fd
        try:
            for part in parts:
                next_fd = self._resolve(folder_fd, part, FOLDER_FLAGS)
                if folder_fd != self._root.fd:
                    os.close(folder_fd)
                folder_fd = next_fd
            return self._resolve(folder_fd, last, flags)
        finally:
            if folder_fd != self._root.fd:
                os.close(folder_fd)

    def forget(self, path: bytes) -> None:
        """Close the cached descriptor of `path`, if there is one."""
        folder = self._open.pop(path, None)
        if folder is not None:
            os.close(folder.fd)

    def close(self) -> None:
        """Close every descriptor; may be called twice."""
        for path in list(self._open):
            self.forget(path)
        if self._root.fd >= 0:
            os.close(self._root.fd)
            self._root = Folder(-1, 0)


def _in_parts(path: bytes) -> Iterator[bytes]:
    """`path` cut between components, each part short enough for one system call."""
    while len(path) > _LONGEST_PATH:
        cut = path.rfind(b"/", 0, _LONGEST_PATH)
        if cut < 0:
            break  # one endless name: the kernel refuses it better than we could
        yield path[:cut]
        path = path[cut + 1 :]
    yield path
