"""A folder served as if it were the whole file system: names are bytes, and nothing outside it is ever reached."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

# As many as Linux follows before it speaks of a loop.
_MOST_LINKS = 40


class Changes(NamedTuple):
    """Attributes to be set; None leaves one as it is."""

    size: int | None = None
    owner: tuple[int, int] | None = None  # uid, gid
    mode: int | None = None
    times: tuple[int, int] | None = None  # access, modification; whole seconds


class _Place(NamedTuple):
    """Where a path leads: an open folder, the last component in it (or `.`), and the whole without links."""

    folder: int
    name: bytes
    path: bytes


class ServedTree:
    """What a client may do below `root`; every method raises OSError as the system call it stands for would.

    Paths are resolved component by component on descriptors, the way a chroot does: `..` stops at the root, and an
    absolute link starts from it. So no path and no link, however they change meanwhile, leads out of the root.
    """

    def __init__(self, root: Path, *, is_writable: bool) -> None:
        self._root = os.open(root, os.O_PATH | os.O_DIRECTORY)
        self._is_writable = is_writable

    def close(self) -> None:
        """Let go of the root; the tree is of no use afterwards."""
        os.close(self._root)

    def real_path(self, path: bytes) -> bytes:
        """`path` as an absolute one without links, `.` and `..`; its last component need not exist."""
        with self._at(path, follow=True) as place:
            return place.path

    def stat(self, path: bytes, *, follow: bool) -> os.stat_result:
        """What stands at `path`; `follow` looks through a link in the last component."""
        with self._at(path, follow=follow) as place:
            return os.stat(place.name, dir_fd=place.folder, follow_symlinks=False)

    def read_link(self, path: bytes) -> bytes:
        """The text of a link, unchanged."""
        with self._at(path, follow=False) as place:
            return os.readlink(place.name, dir_fd=place.folder)

    def open_folder(self, path: bytes) -> int:
        """A descriptor from which the folder can be listed."""
        with self._at(path, follow=True) as place:
            return os.open(place.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place.folder)

    def open_file(self, path: bytes, flags: int, mode: int) -> int:
        """A descriptor for reading, or for writing where the tree is writable; never waits for a FIFO's other end."""
        if flags & (os.O_ACCMODE | os.O_CREAT | os.O_TRUNC):
            self._must_be_writable()
        with self._at(path, follow=not flags & os.O_EXCL) as place:
            return os.open(place.name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, mode, dir_fd=place.folder)

    def change(self, path: bytes, changes: Changes) -> None:
        """Set attributes of what stands at `path`, links followed."""
        with self._at(path, follow=True) as place:
            descriptor = os.open(place.name, os.O_PATH | os.O_NOFOLLOW, dir_fd=place.folder)
        try:
            self.change_open(descriptor, changes)
        finally:
            os.close(descriptor)

    def change_open(self, descriptor: int, changes: Changes) -> None:
        """Set attributes of what is open."""
        self._must_be_writable()
        # By way of /proc, since a descriptor that was opened without any permission takes no fchmod.
        path = f"/proc/self/fd/{descriptor}"
        if changes.size is not None:
            os.truncate(path, changes.size)
        if changes.owner is not None:
            os.chown(path, *changes.owner)
        if changes.mode is not None:
            os.chmod(path, changes.mode & 0o7777)
        if changes.times is not None:
            os.utime(path, changes.times)

    def make_folder(self, path: bytes, mode: int) -> None:
        """Make one folder."""
        self._must_be_writable()
        with self._at(path, follow=False) as place:
            os.mkdir(place.name, mode, dir_fd=place.folder)

    def remove_folder(self, path: bytes) -> None:
        """Remove one empty folder."""
        self._must_be_writable()
        with self._at(path, follow=False) as place:
            os.rmdir(place.name, dir_fd=place.folder)

    def remove(self, path: bytes) -> None:
        """Remove a file or a link."""
        self._must_be_writable()
        with self._at(path, follow=False) as place:
            os.unlink(place.name, dir_fd=place.folder)

    def rename(self, old: bytes, new: bytes, *, replace: bool) -> None:
        """Give `old` the name `new`; FileExistsError when that is taken, unless `replace`."""
        self._must_be_writable()
        with self._at(old, follow=False) as source, self._at(new, follow=False) as target:
            if not replace and _exists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            os.rename(source.name, target.name, src_dir_fd=source.folder, dst_dir_fd=target.folder)

    def make_link(self, text: bytes, path: bytes) -> None:
        """Make `path` a link with this text, which is not looked at."""
        self._must_be_writable()
        with self._at(path, follow=False) as place:
            os.symlink(text, place.name, dir_fd=place.folder)

    def _must_be_writable(self) -> None:
        if not self._is_writable:
            raise PermissionError(errno.EACCES, "the provider serves this for reading only")

    @contextmanager
    def _at(self, path: bytes, *, follow: bool) -> Iterator[_Place]:
        """Where `path` leads, for as long as the block lasts."""
        walk = _Walk(self._root)
        try:
            yield walk.to(path, follow=follow)
        finally:
            walk.close()


class _Walk:
    """One way down from the root, holding a descriptor of each folder on it."""

    def __init__(self, root: int) -> None:
        self._folders = [root]
        self._names: list[bytes] = []
        self._links = 0

    def to(self, path: bytes, *, follow: bool) -> _Place:
        ahead = _reversed_components(path)
        while ahead:
            name = ahead.pop()
            text = self._link_text(name) if ahead or follow else None
            if name == b"..":
                self._up()
            elif text is not None:
                if text.startswith(b"/"):
                    self.close()
                ahead += _reversed_components(text)
            elif ahead:
                self._down(name)
            else:
                return _Place(self._folders[-1], name, b"/" + b"/".join([*self._names, name]))
        return _Place(self._folders[-1], b".", b"/" + b"/".join(self._names))

    def close(self) -> None:
        """Back to the root, which is not ours to close."""
        while self._names:
            self._up()

    def _up(self) -> None:
        if self._names:
            self._names.pop()
            os.close(self._folders.pop())

    def _down(self, name: bytes) -> None:
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
        self._folders.append(os.open(name, flags, dir_fd=self._folders[-1]))
        self._names.append(name)

    def _link_text(self, name: bytes) -> bytes | None:
        """The text of the link `name`; None when it is something else or nothing."""
        if name == b"..":
            return None
        try:
            text = os.readlink(name, dir_fd=self._folders[-1])
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT):
                return None
            raise
        self._links += 1
        if self._links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        return text


def _reversed_components(path: bytes) -> list[bytes]:
    return [part for part in reversed(path.split(b"/")) if part not in (b"", b".")]


def _exists(place: _Place) -> bool:
    try:
        os.stat(place.name, dir_fd=place.folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
