"""Single requests that are waited for: for what is done once and need not be fast.

Each raises SftpFailure when the server answers with an error status.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from migrator.endpoints.sftp import wire
from migrator.endpoints.sftp.session import SftpSession
from migrator.endpoints.sftp.wire import Attributes, FileSystem, SftpFailure

T = TypeVar("T")

_PRIVATE_FILE = 0o600
_SMALL_BYTES = 4096


def lstat(session: SftpSession, path: bytes) -> Attributes | None:
    """The attributes of what stands at `path`, a link not followed; None when nothing does."""
    try:
        return _ask(session, wire.LSTAT, wire.string(path), wire.ATTRS, _attributes)
    except SftpFailure as failure:
        if failure.code == wire.NO_SUCH_FILE:
            return None
        raise


def real_path(session: SftpSession, path: bytes) -> bytes:
    """`path` as the server resolves it."""
    return _ask(session, wire.REALPATH, wire.string(path), wire.NAME, wire.take_name)


def read_link(session: SftpSession, path: bytes) -> bytes:
    """The text of the link at `path`."""
    return _ask(session, wire.READLINK, wire.string(path), wire.NAME, wire.take_name)


def link_payload(session: SftpSession, text: bytes, path: bytes) -> bytes:
    """The payload of SYMLINK for a link at `path`, its two arguments in the order that this server understands."""
    first, second = (text, path) if session.takes_link_text_first else (path, text)
    return wire.string(first) + wire.string(second)


def learn_link_order(session: SftpSession, temp: bytes, other: bytes) -> None:
    """Find out in which order this server takes the arguments of SYMLINK, by a link between two temp names.

    OpenSSH, and who follows it, take the text first, the draft and others the path. Told the wrong way round, a link
    could come to stand wherever its text leads: so this is never guessed.
    """
    if session.is_link_order_known:
        return
    _do(session, wire.SYMLINK, wire.string(temp) + wire.string(other))
    try:
        session.takes_link_text_first = lstat(session, other) is not None
    finally:
        remove(session, other if session.takes_link_text_first else temp)
    session.is_link_order_known = True


def make_link(session: SftpSession, text: bytes, path: bytes) -> None:
    """Make the link `path` with `text`; fails when anything stands there. The order must be known."""
    _do(session, wire.SYMLINK, link_payload(session, text, path))


def make_folder(session: SftpSession, path: bytes, mode: int) -> None:
    """Make one folder; fails when anything stands there."""
    _do(session, wire.MKDIR, wire.string(path) + wire.attributes(mode=mode))


def remove(session: SftpSession, path: bytes) -> None:
    """Remove a file or link; nothing there is as good as removed."""
    try:
        _do(session, wire.REMOVE, wire.string(path))
    except SftpFailure as failure:
        if failure.code != wire.NO_SUCH_FILE:
            raise


def rename(session: SftpSession, old: bytes, new: bytes) -> None:
    """Rename; fails when something stands at `new` (the draft demands it, and OpenSSH keeps to it)."""
    _do(session, wire.RENAME, wire.string(old) + wire.string(new))


def replace(session: SftpSession, old: bytes, new: bytes) -> None:
    """Rename in one atomic step over what stands at `new`; only where posix-rename@openssh.com is offered."""
    _do(session, wire.EXTENDED, wire.string(wire.POSIX_RENAME) + wire.string(old) + wire.string(new))


def set_time(session: SftpSession, path: bytes, mtime: int) -> None:
    """Set the time, in seconds, of what `path` leads to."""
    _do(session, wire.SETSTAT, wire.string(path) + wire.attributes(mtime=mtime))


def file_system(session: SftpSession, path: bytes) -> FileSystem | None:
    """What the file system below `path` has left; None where the server cannot tell."""
    if wire.STATVFS not in session.extensions:
        return None
    payload = wire.string(wire.STATVFS) + wire.string(path)
    return _ask(session, wire.EXTENDED, payload, wire.EXTENDED_REPLY, wire.take_file_system)


def read_small(session: SftpSession, path: bytes) -> tuple[bytes, Attributes]:
    """The start of a file, which is all of a small one, and its attributes."""
    with _opened(session, path, wire.OPEN_READ) as handle:
        found = fstat(session, handle)
        return _read_start(session, handle), found


def write_small(session: SftpSession, path: bytes, content: bytes) -> Attributes:
    """Make a file with `content`; its attributes afterwards. Fails where anything stands; leaves no half of it."""
    with _opened(session, path, wire.OPEN_WRITE | wire.OPEN_CREATE | wire.OPEN_EXCLUSIVE) as handle:
        try:
            _write_start(session, handle, content)
            return fstat(session, handle)
        except SftpFailure:
            remove(session, path)
            raise


def rewrite_small(session: SftpSession, path: bytes, is_expected: Callable[[bytes], bool], content: bytes) -> bool:
    """Write `content` over the start of an existing file, if what it holds is expected; whether it was.

    What was looked at and what is written to are one file, even if another one takes its name meanwhile.
    """
    with _opened(session, path, wire.OPEN_READ | wire.OPEN_WRITE) as handle:
        if not is_expected(_read_start(session, handle)):
            return False
        _write_start(session, handle, content)
        return True


def open_file(session: SftpSession, path: bytes, flags: int) -> bytes:
    """A handle, with its length before it; a file that is made gets mode 0600."""
    attributes = wire.attributes(mode=_PRIVATE_FILE) if flags & wire.OPEN_CREATE else wire.attributes()
    payload = wire.string(path) + wire.word(flags) + attributes
    return wire.string(_ask(session, wire.OPEN, payload, wire.HANDLE, wire.take_handle))


def fstat(session: SftpSession, handle: bytes) -> Attributes:
    """The attributes of an open file; `handle` has its length before it."""
    return _ask(session, wire.FSTAT, handle, wire.ATTRS, _attributes)


def set_size(session: SftpSession, handle: bytes, size: int) -> None:
    """Cut or extend an open file."""
    _do(session, wire.FSETSTAT, handle + wire.attributes(size=size))


@contextmanager
def _opened(session: SftpSession, path: bytes, flags: int) -> Iterator[bytes]:
    """A handle, with its length before it."""
    handle = open_file(session, path, flags)
    try:
        yield handle
    finally:
        if not session.is_over:
            _do(session, wire.CLOSE, handle)


def _read_start(session: SftpSession, handle: bytes) -> bytes:
    request = handle + wire.reach(0, _SMALL_BYTES)
    try:
        return _ask(session, wire.READ, request, wire.DATA, lambda body: wire.take_data(body, _SMALL_BYTES))
    except SftpFailure as failure:
        if failure.code == wire.EOF:
            return b""
        raise


def _write_start(session: SftpSession, handle: bytes, content: bytes) -> None:
    _do(session, wire.WRITE, handle + wire.long(0) + wire.string(content))


def _do(session: SftpSession, kind: int, payload: bytes) -> None:
    def take(answer: int, body: memoryview) -> None:
        if answer != wire.STATUS:
            raise session.unexpected(answer)
        if wire.code_of(body) != wire.OK:
            raise wire.take_status(body)

    session.call(kind, payload, take)


def _ask(session: SftpSession, kind: int, payload: bytes, wanted: int, take: Callable[[memoryview], T]) -> T:
    """What `take` makes of the body of an answer of the `wanted` kind."""

    def check(answer: int, body: memoryview) -> T:
        if answer == wire.STATUS and wire.code_of(body) != wire.OK:
            raise wire.take_status(body)
        if answer != wanted:
            raise session.unexpected(answer)
        return take(body)

    return session.call(kind, payload, check)


def _attributes(body: memoryview) -> Attributes:
    return wire.take_attributes(body, 0)[0]
