"""Trees that change at random, for tests that compare two ways of looking at them."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

FOLDERS = (b"", b"a", b"a/c", b"b")
NAMES = (b"x", b"y", b"z")
PATHS = tuple(folder + b"/" + name if folder else name for folder in FOLDERS for name in NAMES)

_path = st.sampled_from(PATHS)
_any = st.sampled_from((*PATHS, *FOLDERS[1:]))

CHANGE = st.one_of(
    st.tuples(st.just("create"), _path, st.integers(0, 3)),
    st.tuples(st.just("rewrite"), _path, st.integers(0, 255)),
    st.tuples(st.just("delete"), _any, st.none()),
    st.tuples(st.just("rename"), _any, _any),
    st.tuples(st.just("swap"), _path, _path),
    st.tuples(st.just("mode"), _any, st.sampled_from([0o600, 0o644, 0o700, 0o755])),
    st.tuples(st.just("touch"), _any, st.integers(1, 2)),
    st.tuples(st.just("folder"), _any, st.none()),
    st.tuples(st.just("link"), _path, st.sampled_from([b"x", b"a"])),
    st.tuples(st.just("pipe"), _path, st.none()),
)


def make_some(root: bytes) -> None:
    """The tree that changes start from."""
    for folder in FOLDERS:
        os.makedirs(os.path.join(root, folder), exist_ok=True)
    for path in PATHS:
        change(root, "create", path, 1)


def change(root: bytes, what: str, path: bytes, how: Any) -> None:
    """Do one thing to the tree, if it can be done as it stands; no sequence of them is an error."""
    with contextlib.suppress(OSError):
        _CHANGES[what](os.path.join(root, path), os.path.join(root, how) if isinstance(how, bytes) else how)


def let_a_tick_pass(folder: Path) -> None:
    """Return when the file system's clock has moved: whatever changes from now on has another ctime."""
    probe = folder / "tick"
    probe.touch()
    before, deadline = probe.stat().st_ctime_ns, time.monotonic() + 10
    while probe.stat().st_ctime_ns == before:
        assert time.monotonic() < deadline, "the file system's clock stands still"
        probe.touch()


def _write(place: bytes, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
    with open(os.open(place, flags, 0o644), "wb") as file:
        file.write(content)


def _rewrite(place: bytes, byte: int) -> None:
    """Other content with the size and time of the old one."""
    before = os.lstat(place)
    _write(place, bytes([byte]) * before.st_size)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))


def _swap(one: bytes, other: bytes) -> None:
    aside = one + b".aside"
    os.rename(one, aside)
    try:
        os.rename(other, one)
    finally:
        os.rename(aside, other if os.path.lexists(one) else one)


def _remove(place: bytes) -> None:
    if os.path.isdir(place) and not os.path.islink(place):
        shutil.rmtree(place)
    elif os.path.lexists(place):
        os.unlink(place)


def _replace(place: bytes, make: Callable[[bytes], None]) -> None:
    _remove(place)
    make(place)


_CHANGES: dict[str, Callable[[bytes, Any], None]] = {
    "create": lambda place, size: _write(place, b"c" * size),
    "rewrite": _rewrite,
    "delete": lambda place, _: _remove(place),
    "rename": os.rename,
    "swap": _swap,
    "mode": os.chmod,
    "touch": lambda place, seconds: os.utime(place, ns=(0, seconds * 10**9)),
    "folder": lambda place, _: _replace(place, os.mkdir),
    "link": lambda place, to: _replace(place, lambda free: os.symlink(to, free)),
    "pipe": lambda place, _: _replace(place, os.mkfifo),
}
