"""The server's side of SFTP version 3 over one SSH channel.

Like OpenSSH's, it takes the arguments of SYMLINK in the other order than the draft, and offers posix-rename and fsync.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass

from paramiko import Channel

from migrator.demo import sftp_packets as packets
from migrator.demo.served_tree import ServedTree
from migrator.demo.sftp_packets import Code, Kind, Malformed, OpenFlag, Request

_log = logging.getLogger(__name__)

_EXTENSIONS = ((b"posix-rename@openssh.com", b"1"), (b"fsync@openssh.com", b"1"))

_ACCESS = {OpenFlag.WRITE: os.O_WRONLY, OpenFlag.READ | OpenFlag.WRITE: os.O_RDWR}
_OPEN_FLAGS = {
    OpenFlag.APPEND: os.O_APPEND,
    OpenFlag.CREATE: os.O_CREAT,
    OpenFlag.TRUNCATE: os.O_TRUNC,
    OpenFlag.EXCLUSIVE: os.O_EXCL,
}

_LARGEST_PACKET = 256 * 1024
_LARGEST_READ = 32 * 1024  # what the draft lets every client count on
_NAMES_A_REPLY = 100
_MOST_HANDLES = 256


@dataclass(slots=True)
class _Handle:
    """What a client has open; `names` are those of a folder that READDIR has not given yet, None for a file."""

    descriptor: int
    names: list[bytes] | None = None
    appends: bool = False


class SftpServer:
    """Answers the requests of one client in the order in which they come, until it hangs up."""

    def __init__(self, channel: Channel, tree: ServedTree) -> None:
        self._channel = channel
        self._tree = tree
        self._received = bytearray()
        self._handles: dict[bytes, _Handle] = {}
        self._opened = 0
        self._answers: dict[int, Callable[[Request], bytes]] = {
            Kind.OPEN: self._open,
            Kind.CLOSE: self._close,
            Kind.READ: self._read,
            Kind.WRITE: self._write,
            Kind.LSTAT: lambda request: packets.attributes(tree.stat(request.path(), follow=False)),
            Kind.STAT: lambda request: packets.attributes(tree.stat(request.path(), follow=True)),
            Kind.FSTAT: lambda request: packets.attributes(os.fstat(self._handle(request).descriptor)),
            Kind.SETSTAT: self._setstat,
            Kind.FSETSTAT: self._fsetstat,
            Kind.OPENDIR: self._opendir,
            Kind.READDIR: self._readdir,
            Kind.REMOVE: self._remove,
            Kind.MKDIR: self._mkdir,
            Kind.RMDIR: self._rmdir,
            Kind.REALPATH: lambda request: packets.names([(tree.real_path(request.path()), None)]),
            Kind.RENAME: self._rename,
            Kind.READLINK: lambda request: packets.names([(tree.read_link(request.path()), None)]),
            Kind.SYMLINK: self._symlink,
            Kind.EXTENDED: self._extended,
        }

    def serve(self) -> None:
        """Serve until the client hangs up or talks nonsense; leaves no file open."""
        try:
            self._begin()
            while True:
                kind, body = self._packet()
                answer = self._answer(kind, Request(body[4:]))
                self._send(answer[:1] + body[:4] + answer[1:])
        except (EOFError, Malformed) as end:
            # Either way there is nobody left to talk to; closing the channel, as the caller does, says so.
            _log.debug("the session ends: %r", end)
        finally:
            for handle in self._handles.values():
                os.close(handle.descriptor)
            self._handles.clear()

    def _begin(self) -> None:
        kind, _ = self._packet()
        if kind != Kind.INIT:
            raise Malformed("the first packet is not INIT")
        self._send(packets.version(_EXTENSIONS))

    def _packet(self) -> tuple[int, bytes]:
        size = int.from_bytes(self._receive(4), "big")
        if not 5 <= size <= _LARGEST_PACKET:
            raise Malformed(f"a packet of {size} bytes")
        packet = self._receive(size)
        return packet[0], packet[1:]

    def _receive(self, size: int) -> bytes:
        while len(self._received) < size:
            try:
                more = self._channel.recv(_LARGEST_PACKET)
            except OSError as error:
                raise EOFError from error
            if not more:
                raise EOFError
            self._received += more
        part = bytes(self._received[:size])
        del self._received[:size]
        return part

    def _send(self, packet: bytes) -> None:
        try:
            self._channel.sendall(len(packet).to_bytes(4, "big") + packet)
        except OSError as error:
            raise EOFError from error

    def _answer(self, kind: int, request: Request) -> bytes:
        """The reply to one request, without its number: type and body."""
        answer = self._answers.get(kind)
        if answer is None:
            return packets.status(Code.OP_UNSUPPORTED)
        try:
            return answer(request)
        except OSError as error:
            return packets.failure(error)

    def _open(self, request: Request) -> bytes:
        path, wanted, changes = request.path(), request.uint32(), request.changes()
        flags = _ACCESS.get(wanted & (OpenFlag.READ | OpenFlag.WRITE), os.O_RDONLY)
        flags |= sum(here for there, here in _OPEN_FLAGS.items() if wanted & there)
        mode = 0o666 if changes.mode is None else changes.mode & 0o777
        return self._new_handle(
            lambda: _Handle(self._tree.open_file(path, flags, mode), None, bool(wanted & OpenFlag.APPEND))
        )

    def _opendir(self, request: Request) -> bytes:
        path = request.path()

        def opened() -> _Handle:
            descriptor = self._tree.open_folder(path)
            return _Handle(descriptor, [os.fsencode(name) for name in os.listdir(descriptor)])

        return self._new_handle(opened)

    def _new_handle(self, opened: Callable[[], _Handle]) -> bytes:
        if len(self._handles) >= _MOST_HANDLES:
            return packets.status(Code.FAILURE, "too many open files")
        self._opened += 1
        name = b"%d" % self._opened
        self._handles[name] = opened()
        return packets.handle(name)

    def _handle(self, request: Request) -> _Handle:
        handle = self._handles.get(request.string())
        if handle is None:
            raise OSError(errno.EINVAL, "no such handle")
        return handle

    def _close(self, request: Request) -> bytes:
        handle = self._handles.pop(request.string(), None)
        if handle is None:
            return packets.status(Code.BAD_MESSAGE, "no such handle")
        os.close(handle.descriptor)
        return packets.status(Code.OK)

    def _read(self, request: Request) -> bytes:
        handle, offset, size = self._handle(request), request.uint64(), request.uint32()
        data = os.pread(handle.descriptor, min(size, _LARGEST_READ), offset)
        return packets.data(data) if data or not size else packets.status(Code.EOF)

    def _write(self, request: Request) -> bytes:
        handle, offset, data = self._handle(request), request.uint64(), memoryview(request.string())
        while data:
            written = (
                os.write(handle.descriptor, data) if handle.appends else os.pwrite(handle.descriptor, data, offset)
            )
            offset += written
            data = data[written:]
        return packets.status(Code.OK)

    def _readdir(self, request: Request) -> bytes:
        handle = self._handle(request)
        if handle.names is None:
            return packets.status(Code.BAD_MESSAGE, "not a folder")
        found: list[tuple[bytes, os.stat_result | None]] = []
        while handle.names and len(found) < _NAMES_A_REPLY:
            name = handle.names.pop()
            try:
                found.append((name, os.stat(name, dir_fd=handle.descriptor, follow_symlinks=False)))
            except FileNotFoundError:
                continue  # gone since OPENDIR: as if it had never been
        return packets.names(found) if found else packets.status(Code.EOF)

    def _setstat(self, request: Request) -> bytes:
        self._tree.change(request.path(), request.changes())
        return packets.status(Code.OK)

    def _fsetstat(self, request: Request) -> bytes:
        self._tree.change_open(self._handle(request).descriptor, request.changes())
        return packets.status(Code.OK)

    def _remove(self, request: Request) -> bytes:
        self._tree.remove(request.path())
        return packets.status(Code.OK)

    def _mkdir(self, request: Request) -> bytes:
        path, mode = request.path(), request.changes().mode
        self._tree.make_folder(path, 0o777 if mode is None else mode & 0o7777)
        return packets.status(Code.OK)

    def _rmdir(self, request: Request) -> bytes:
        self._tree.remove_folder(request.path())
        return packets.status(Code.OK)

    def _rename(self, request: Request) -> bytes:
        self._tree.rename(request.path(), request.path(), replace=False)
        return packets.status(Code.OK)

    def _symlink(self, request: Request) -> bytes:
        self._tree.make_link(request.path(), request.path())
        return packets.status(Code.OK)

    def _extended(self, request: Request) -> bytes:
        match request.string():
            case b"posix-rename@openssh.com":
                self._tree.rename(request.path(), request.path(), replace=True)
            case b"fsync@openssh.com":
                os.fsync(self._handle(request).descriptor)
            case _:
                return packets.status(Code.OP_UNSUPPORTED)
        return packets.status(Code.OK)
