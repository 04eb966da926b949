"""Single requests that are waited for: for what is done once and need not be fast.

Each raises SftpFailure when the server answers with an error status.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from migrator.endpoints import sftp_wire as wire
from migrator.endpoints.sftp_session import SftpSession
from migrator.endpoints.sftp_wire import Attributes, FileSystem, SftpFailure

T = TypeVar("T")

_PRIVATE_FILE = 0o600


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


def read_small(session: SftpSession, path: bytes, most: int) -> tuple[bytes, Attributes]:
    """The first `most` bytes of a small file, and its attributes."""
    handle = _open(session, path, wire.OPEN_READ)
    try:
        found = _ask(session, wire.FSTAT, wire.string(handle), wire.ATTRS, _attributes)
        return _read_start(session, handle, most), found
    finally:
        _close(session, handle)


def write_small(session: SftpSession, path: bytes, content: bytes, *, is_new: bool) -> Attributes:
    """Write `content` at the start of a file that must not exist (`is_new`) or must; its attributes afterwards."""
    flags = wire.OPEN_WRITE | (wire.OPEN_CREATE | wire.OPEN_EXCLUSIVE if is_new else 0)
    handle = _open(session, path, flags)
    try:
        _do(session, wire.WRITE, wire.string(handle) + wire.long(0) + wire.string(content))
        return _ask(session, wire.FSTAT, wire.string(handle), wire.ATTRS, _attributes)
    finally:
        _close(session, handle)


def _open(session: SftpSession, path: bytes, flags: int) -> bytes:
    attributes = wire.attributes(mode=_PRIVATE_FILE) if flags & wire.OPEN_CREATE else wire.attributes()
    payload = wire.string(path) + wire.word(flags) + attributes
    return _ask(session, wire.OPEN, payload, wire.HANDLE, wire.take_handle)


def _read_start(session: SftpSession, handle: bytes, most: int) -> bytes:
    request = wire.string(handle) + wire.reach(0, most)
    try:
        return _ask(session, wire.READ, request, wire.DATA, lambda body: wire.take_data(body, most))
    except SftpFailure as failure:
        if failure.code == wire.EOF:
            return b""
        raise


def _close(session: SftpSession, handle: bytes) -> None:
    if not session.is_over:
        _do(session, wire.CLOSE, wire.string(handle))


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
