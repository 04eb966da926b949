"""The lease on a target root behind an SFTP server: best effort, since that protocol has no locks.

A file beside the root (or in it, where its parent belongs to somebody else) is made with O_EXCL and written to again
and again. One that was not written to for a while is taken over; whoever left it there is told by the next renewal.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from migrator.domain.entries import display
from migrator.endpoints.sftp import calls, wire
from migrator.endpoints.sftp.session import SftpSession
from migrator.endpoints.sftp.wire import SftpFailure
from migrator.errors import EndpointUnavailable, Held, MigratorError, SafetyStop

RENEWAL_SECONDS = 10.0
EXPIRY_SECONDS = 60  # by the server's own clock

T = TypeVar("T")

_LONGEST_NAME_BYTES = 200  # of a root whose lease is named after it
_TRIES = 3
_FAREWELL_SECONDS = 2.0


@contextmanager
def leased(connect: Callable[[], SftpSession], base: bytes, holder: str) -> Iterator[None]:
    """Hold the lease on `base` over a session of its own; Held when another holder renewed it a short while ago."""
    lease = Lease(connect(), base, holder)
    try:
        lease.take()
        keeper = _Keeper(lease, connect)
        keeper.start()
        try:
            yield
        finally:
            keeper.stop()
        if keeper.loss is not None:
            raise keeper.loss
        if lease.session.is_over:
            with suppress(EndpointUnavailable):  # then the lease expires by itself
                lease.session = connect()
    finally:
        lease.give_back()
        lease.session.close()


class Lease:
    """A lease as one run holds it; not safe for use from two threads at once."""

    def __init__(self, session: SftpSession, base: bytes, holder: str) -> None:
        self.session = session
        self._base = base
        self._holder = holder.encode()
        self._token = secrets.token_hex(16).encode()  # tells this run's lease from the same holder's earlier ones
        self._renewals = 0
        self._path = b""  # empty while it is not held

    def take(self) -> None:
        """Make the lease, or take over one that is ours or has expired; Held, or EndpointUnavailable."""
        beside, inside = lease_paths(self._base)
        try:
            try:
                self._in_folder(beside, lambda: self._take_at(beside))
            except SftpFailure as failure:
                if failure.code != wire.PERMISSION_DENIED or beside == inside:
                    raise
                self._in_folder(inside, lambda: self._take_at(inside))
        except SftpFailure as failure:
            raise EndpointUnavailable(
                f"cannot make a lease for {self._named()}: {failure}",
                hint="the account that migrator logs in with must be able to write there",
            ) from failure

    def renew(self) -> None:
        """Write to it, which moves its time; SafetyStop when it is ours no longer."""
        self._renewals += 1
        try:
            if calls.rewrite_small(self.session, self._path, self._is_ours, self._content()):
                return
        except SftpFailure as failure:
            if failure.code != wire.NO_SUCH_FILE:
                raise EndpointUnavailable(f"cannot renew the lease for {self._named()}: {failure}") from failure
        self._path = b""
        raise SafetyStop(
            f"another run took over {self._named()} while this one was working",
            hint="let the other run end, then run this one again: it looks at what is there and goes on",
        )

    def give_back(self) -> None:
        """Remove the lease if it is ours; where that fails it expires, and the same holder may take it at once."""
        path, self._path = self._path, b""
        if not path or self.session.is_over:
            return
        with suppress(SftpFailure, EndpointUnavailable):
            content, _ = calls.read_small(self.session, path)
            if self._is_ours(content):
                self._in_folder(path, lambda: calls.remove(self.session, path))

    def _take_at(self, path: bytes) -> None:
        last: SftpFailure | None = None
        for _ in range(_TRIES):
            try:
                calls.write_small(self.session, path, self._content())
            except SftpFailure as failure:
                if failure.code != wire.FAILURE:
                    raise
                last = failure
            else:
                self._path = path
                return
            if calls.lstat(self.session, path) is not None:
                last = None
                self._displace(path)
        raise last or self._held("is changing hands")

    def _displace(self, path: bytes) -> None:
        """Remove a lease that is ours or has expired; Held for any other.

        Only who has made the takeover file may remove a lease: else one run that finds it expired could remove what
        another one has just made. Being new, that file tells the server's clock, too.
        """
        takeover = path + b"-takeover"
        try:
            now = calls.write_small(self.session, takeover, self._content()).mtime or 0
        except SftpFailure:
            self._remove_expired(takeover, None, "is changing hands: it is being taken over by")
            return
        try:
            self._remove_expired(path, now, "is held by")
        finally:
            if not self.session.is_over:
                calls.remove(self.session, takeover)

    def _remove_expired(self, path: bytes, now: int | None, how: str) -> None:
        """Remove a file of ours, or of a run that has ended long ago by the server's clock; Held for any other."""
        try:
            content, found = calls.read_small(self.session, path)
        except SftpFailure as failure:
            if failure.code == wire.NO_SUCH_FILE:
                return
            raise
        if _field(content, b"holder") != self._holder:
            age_seconds = (self._server_time(path) if now is None else now) - (found.mtime or 0)
            if age_seconds < EXPIRY_SECONDS:
                raise self._held(f"{how} {_described(content)}, last heard of {max(age_seconds, 0)} s ago")
        calls.remove(self.session, path)

    def _server_time(self, path: bytes) -> int:
        """The server's clock, in seconds, read from a file written this moment."""
        probe = path + b"-" + self._token
        try:
            return calls.write_small(self.session, probe, b"what time is it?\n").mtime or 0
        finally:
            if not self.session.is_over:
                calls.remove(self.session, probe)

    def _is_ours(self, content: bytes) -> bool:
        return _field(content, b"token") == self._token

    def _in_folder(self, path: bytes, act: Callable[[], T]) -> T:
        """Change the folder that `path` lies in; a root's own time is put back, for it is part of what is moved."""
        if path != lease_paths(self._base)[1]:
            return act()
        before = calls.lstat(self.session, self._base)
        try:
            return act()
        finally:
            if before is not None and before.mtime is not None and not self.session.is_over:
                with suppress(SftpFailure):  # not ours to set: then its time cannot be kept by anybody
                    calls.set_time(self.session, self._base, before.mtime)

    def _content(self) -> bytes:
        fields = (
            (b"holder", self._holder),
            (b"token", self._token),
            (b"host", os.fsencode(socket.gethostname())),
            (b"process", b"%d" % os.getpid()),
            (b"renewals", b"%012d" % self._renewals),  # as wide as ever, so that it is written over in place
        )
        return b"".join(b"%s %s\n" % field for field in fields)

    def _held(self, how: str) -> MigratorError:
        return Held(
            f"{self._named()} {how}",
            hint=f"wait for the other run to end; a lease that is not renewed for {EXPIRY_SECONDS} s is taken over",
        )

    def _named(self) -> str:
        return f"the target `{display(self._base)}` on `{self.session.name}`"


class _Keeper:
    """Renews a lease from a thread, over a new session where the old one is lost, until it is stopped."""

    def __init__(self, lease: Lease, connect: Callable[[], SftpSession]) -> None:
        self.loss: SafetyStop | None = None
        self._lease = lease
        self._connect = connect
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a renewal that hangs is cut off."""
        self._stopping.set()
        self._thread.join(_FAREWELL_SECONDS)
        if self._thread.is_alive():
            self._lease.session.interrupt()
            self._thread.join(_FAREWELL_SECONDS)

    def _run(self) -> None:
        while not self._stopping.wait(RENEWAL_SECONDS):
            try:
                if self._lease.session.is_over and not self._reconnected():
                    return
                self._lease.renew()
            except SafetyStop as loss:
                self.loss = loss
                return
            except EndpointUnavailable:
                continue  # the lease outlives several tries; the one that gets through finds out what became of it

    def _reconnected(self) -> bool:
        session = self._connect()
        if self._stopping.is_set():
            session.close()
            return False
        self._lease.session = session
        return True


def lease_paths(base: bytes) -> tuple[bytes, bytes]:
    """Where the lease on `base` may lie: beside it, and in it; for `/` both are in it."""
    root = base.rstrip(b"/")
    parent, _, name = root.rpartition(b"/")
    inside = root + b"/" + inner_lease_name(base)
    if not name:
        return inside, inside
    fits = len(name) <= _LONGEST_NAME_BYTES
    return parent + (b"/.%s.migrator-lease" % name if fits else b"/" + inner_lease_name(base)), inside


def inner_lease_name(base: bytes) -> bytes:
    """The name of a lease that lies in the root, which no file of the users has by chance."""
    return b".migrator-lease-" + hashlib.sha256(base).hexdigest()[:24].encode()


def _field(content: bytes, name: bytes) -> bytes:
    for line in content.split(b"\n"):
        key, _, value = line.partition(b" ")
        if key == name:
            return value
    return b""


def _described(content: bytes) -> str:
    host, process = _field(content, b"host"), _field(content, b"process")
    if not host:
        return "a run that has not said who it is"
    return f"process {display(process)[:20]} on {display(host)[:100]}"
