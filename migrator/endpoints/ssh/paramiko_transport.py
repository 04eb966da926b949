"""One SSH connection through paramiko: from the socket to a server whose key was checked, before any login."""

from __future__ import annotations

import errno
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from migrator.endpoints.ssh.config import Host, Trust
from migrator.endpoints.ssh.failures import Failure, connection_error
from migrator.endpoints.ssh.host_keys import HostKey, algorithms_of
from migrator.endpoints.ssh.paramiko_trust import trust_for
from migrator.endpoints.ssh.route import CONNECT_SECONDS, HANDSHAKE_SECONDS, KEEPALIVE_SECONDS, KEEPALIVE_TRIES
from migrator.errors import MigratorError

# paramiko logs whole tracebacks of what we turn into sentences; whoever wants them sets up a handler.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

_FIRST_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
# The host key algorithms whose signatures paramiko can check.
_CHECKABLE = frozenset(
    {
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "rsa-sha2-512",
        "rsa-sha2-256",
    }
)
_KINDS: tuple[tuple[type[BaseException], Failure], ...] = (
    (socket.gaierror, Failure.UNKNOWN_NAME),
    (ConnectionRefusedError, Failure.CONNECTION_REFUSED),
    (TimeoutError, Failure.TIMED_OUT),
    (IncompatiblePeer, Failure.NO_COMMON_ALGORITHM),
)
_UNREACHABLE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})


class SshTransport(paramiko.Transport):
    """A transport that survives a channel closed by the server in the middle of a new key exchange.

    The transport's own thread answers such a close, and would wait for the end of the exchange that it alone can
    bring about (paramiko issue 822). Here what that thread has to say is kept until the exchange has ended.
    """

    def __init__(self, sock: Any, algorithms: Sequence[str]) -> None:
        super().__init__(sock)
        self._kept: deque[Any] = deque()
        self.refused_because = ""
        options = self.get_security_options()
        options.ciphers = (*_FIRST_CIPHERS, *(each for each in options.ciphers if each not in _FIRST_CIPHERS))
        if algorithms:
            options.key_types = tuple(algorithms)
        self.banner_timeout = self.auth_timeout = HANDSHAKE_SECONDS

    @property
    def preferred_keys(self) -> Sequence[str]:
        """The host key algorithms to offer: plain keys only, since certificates of hosts cannot be checked."""
        return self._filter_algorithm("keys")  # type: ignore[attr-defined, no-any-return]  # not in the stubs

    def _send_user_message(self, data: Any) -> None:
        if threading.current_thread() is not self:
            super()._send_user_message(data)  # type: ignore[misc]  # not in the stubs
            return
        with self.clear_to_send_lock:
            if not self.clear_to_send.is_set():
                self._kept.append(data)
                return
            self._send_message(data)  # type: ignore[attr-defined]  # not in the stubs

    def _parse_newkeys(self, m: Any) -> None:
        super()._parse_newkeys(m)  # type: ignore[misc]  # not in the stubs
        while self._kept:
            self._send_user_message(self._kept.popleft())

    def _parse_channel_open_failure(self, m: Any) -> None:
        # What the server says, which paramiko only logs: number of the channel, code, text (RFC 4254, section 5.1).
        m.get_int()
        m.get_int()
        self.refused_because = m.get_text()
        m.rewind()
        super()._parse_channel_open_failure(m)  # type: ignore[misc]  # not in the stubs


def connect(host: Host, through: SshTransport | None) -> SshTransport:
    """A connection to `host`, its key checked, nobody logged in; raises what `connection_error` makes of a failure."""
    trust = trust_for(host)
    algorithms = _checkable(host, trust)
    sock = _socket(host) if through is None else _forwarded(host, through)
    transport = SshTransport(sock, algorithms)
    try:
        _start(transport, host, trust)
        _check_key(transport, host, trust)
    except BaseException:
        transport.close()
        sock.close()
        raise
    transport.set_keepalive(KEEPALIVE_SECONDS)
    return transport


def failure_of(error: BaseException, transport: paramiko.Transport | None = None) -> Failure:
    """What kind of failure an exception of paramiko or of a socket stands for."""
    for kind, failure in _KINDS:
        if isinstance(error, kind):
            return failure
    if isinstance(error, OSError) and error.errno in _UNREACHABLE:
        return Failure.UNREACHABLE
    if transport is None:
        # A reset while the connection is made comes from a server, or what stands before it, that is too busy.
        return Failure.DROPPED if isinstance(error, ConnectionResetError) else Failure.LOST
    was_silent = not transport.remote_version
    return Failure.DROPPED if was_silent else Failure.LOST


def words_of(error: BaseException | None) -> bytes:
    """What an exception says, to be shown only through `connection_error`."""
    return str(error).encode("utf-8", "surrogateescape") if error is not None else b""


def _checkable(host: Host, trust: Trust) -> list[str]:
    """The algorithms to insist on; empty, which means any, only when no key of the host is known at all."""
    wanted = algorithms_of(trust.keys)
    usable = [algorithm for algorithm in wanted if algorithm in _CHECKABLE]
    if wanted and not usable:
        said = f"paramiko cannot check host keys of type {', '.join(key.type for key in trust.keys)}"
        raise connection_error(Failure.NO_COMMON_ALGORITHM, host.spec, said.encode())
    return usable


def _start(transport: SshTransport, host: Host, trust: Trust) -> None:
    try:
        transport.start_client(timeout=CONNECT_SECONDS)
    except IncompatiblePeer as error:
        # A server without a key of a type that we know for it is not the one we know.
        is_about_key = "host key" in str(error) and trust.keys
        failure = Failure.CHANGED_KEY if is_about_key else Failure.NO_COMMON_ALGORITHM
        raise connection_error(failure, host.spec, words_of(error)) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise connection_error(failure_of(error, transport), host.spec, words_of(error)) from error
    if not transport.initial_kex_done:
        raise connection_error(Failure.TIMED_OUT, host.spec)


def _check_key(transport: SshTransport, host: Host, trust: Trust) -> None:
    shown = transport.get_remote_server_key()
    key = HostKey(shown.get_name(), shown.asbytes())
    if key in trust.revoked:
        failure = Failure.REVOKED_KEY
    elif key in trust.keys:
        return
    else:
        failure = Failure.CHANGED_KEY if trust.keys else Failure.UNKNOWN_KEY
    raise connection_error(failure, host.spec, f"it shows {key.type} {key.fingerprint}".encode())


def _socket(host: Host) -> socket.socket:
    deadline = time.monotonic() + CONNECT_SECONDS
    last: OSError = TimeoutError()
    try:
        addresses = socket.getaddrinfo(host.host, host.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise connection_error(Failure.UNKNOWN_NAME, host.spec, words_of(error)) from error
    for family, kind, protocol, _, address in addresses:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(max(0.1, deadline - time.monotonic()))
            sock.connect(address)
        except OSError as error:
            sock.close()
            last = error
        else:
            _tune(sock)
            return sock
    raise connection_error(failure_of(last), host.spec, words_of(last)) from last


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # paramiko's keepalive only asks; it is the kernel that notices when nothing is acknowledged any more.
    silence_ms = 1000 * KEEPALIVE_SECONDS * KEEPALIVE_TRIES
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silence_ms)


def _forwarded(host: Host, through: SshTransport) -> paramiko.Channel:
    try:
        return through.open_channel("direct-tcpip", (host.host, host.port), ("127.0.0.1", 0), timeout=CONNECT_SECONDS)
    except paramiko.ChannelException as error:
        raise _not_forwarded(host, through.refused_because or str(error)) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        failure = Failure.TIMED_OUT if "Timeout" in str(error) else Failure.LOST
        raise connection_error(failure, host.spec, words_of(error)) from error


def _not_forwarded(host: Host, said: str) -> MigratorError:
    known = (
        ("refused", Failure.CONNECTION_REFUSED),
        ("Name or service not known", Failure.UNKNOWN_NAME),
        ("No route", Failure.UNREACHABLE),
        ("unreachable", Failure.UNREACHABLE),
        ("timed out", Failure.TIMED_OUT),
    )
    failure = next((failure for words, failure in known if words in said), Failure.UNCLEAR)
    return connection_error(failure, host.spec, said.encode("utf-8", "surrogateescape"))
