"""A logged-in connection through paramiko, over as many hops as it takes, with a deadline for everything on the way."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence

import paramiko

from migrator.domain.plan import EndpointSpec
from migrator.endpoints.ssh.config import settle
from migrator.endpoints.ssh.failures import Failure, connection_error
from migrator.endpoints.ssh.paramiko_login import log_in
from migrator.endpoints.ssh.paramiko_transport import SshTransport, connect, failure_of, words_of
from migrator.endpoints.ssh.route import HANDSHAKE_SECONDS, check_identity
from migrator.errors import MigratorError

_END_SECONDS = 2.0


class Link:
    """The transports of one connection, first hop first; the last one is logged in at the endpoint."""

    def __init__(self, route: Sequence[EndpointSpec]) -> None:
        """Connect and log in within HANDSHAKE_SECONDS, or raise why not with nothing left open."""
        self._spec = route[-1]
        self._transports: list[SshTransport] = []
        try:
            with self.limited():
                for spec in route:
                    check_identity(spec)
                    self._reach(spec)
        except BaseException:
            self.close()
            raise

    @property
    def transport(self) -> SshTransport:
        """The connection to the endpoint itself."""
        return self._transports[-1]

    @contextlib.contextmanager
    def limited(self) -> Iterator[None]:
        """Cut the connection when what is inside takes longer than HANDSHAKE_SECONDS, and say so instead."""
        late = threading.Event()

        def cut() -> None:
            late.set()
            self.cut()

        watchdog = threading.Timer(HANDSHAKE_SECONDS, cut)
        watchdog.daemon = True
        watchdog.start()
        try:
            yield
        except MigratorError as error:
            if late.is_set():
                raise connection_error(Failure.TIMED_OUT, self._spec) from error
            raise
        finally:
            watchdog.cancel()
            watchdog.join()

    def open_channel(self) -> paramiko.Channel:
        """A session channel, nothing asked of it yet."""
        with self.mapped(Failure.LOST):
            return self.transport.open_session(timeout=HANDSHAKE_SECONDS)

    @contextlib.contextmanager
    def mapped(self, failure: Failure) -> Iterator[None]:
        """Turn paramiko's exceptions into `failure` while the connection stands, else into what ended it."""
        try:
            yield
        except (paramiko.SSHException, EOFError, OSError) as error:
            kind = failure if self.transport.is_active() else failure_of(error, self.transport)
            raise connection_error(kind, self._spec, words_of(error)) from error

    def cut(self) -> None:
        """End the connection at once, from any thread."""
        for transport in reversed(self._transports):
            transport.close()

    def close(self) -> None:
        """End the connection and its threads; may be called twice."""
        self.cut()
        for transport in reversed(self._transports):
            transport.join(_END_SECONDS)

    def _reach(self, spec: EndpointSpec) -> None:
        for host in settle(spec):
            transport = connect(host, self._transports[-1] if self._transports else None)
            self._transports.append(transport)
            log_in(transport, host)
