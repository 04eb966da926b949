"""An SFTP session or a command through paramiko as two plain descriptors, so that the lanes see no difference."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable

import paramiko

from migrator.domain.plan import EndpointSpec
from migrator.endpoints.contract import OUTPUT_LIMIT_BYTES
from migrator.endpoints.ssh.failures import Failure, connection_error, last_line
from migrator.endpoints.ssh.paramiko_link import Link
from migrator.endpoints.ssh.paramiko_transport import words_of
from migrator.errors import MigratorError

_PIPE_BYTES = 1 << 20
_READ_BYTES = 256 * 1024
# How long the end of the connection may take to become known, once the pipe has ended.
_EXPLAIN_SECONDS = 3.0
# How long the last requests may take to leave before the connection is cut, and the threads to end after that.
_GOODBYE_SECONDS = 1.0
_END_SECONDS = 2.0


class ParamikoChannel:
    """A channel of `link`, carried between two pipes by two threads; see `Channel`."""

    def __init__(
        self, link: Link, channel: paramiko.Channel, spec: EndpointSpec, ended: Failure = Failure.SFTP_ENDED
    ) -> None:
        """`ended` is what it means that the far end leaves with a status of its own."""
        self._ended = ended
        self._link = link
        self._channel = channel
        self._spec = spec
        self._was_interrupted = False
        self._ended_by: BaseException | None = None
        self._words = bytearray()
        self.read_fd, arriving = _pipe()
        leaving, self.write_fd = _pipe()
        self._is_open = True
        self._carriers = (self._carrier(self._bring, arriving), self._carrier(self._send, leaving))

    def explain(self) -> MigratorError:
        """Why it ended early, from what paramiko and the server left behind."""
        self._carriers[0].join(_EXPLAIN_SECONDS)
        if self._was_interrupted:
            return connection_error(Failure.TIMED_OUT, self._spec)
        said = last_line(bytes(self._words))
        # The status may come after the end of the output; a connection that is lost sets the event as well.
        if self._channel.status_event.wait(_EXPLAIN_SECONDS) and self._channel.exit_status >= 0:
            return connection_error(self._ended, self._spec, said)
        error = self._link.transport.get_exception() or self._ended_by
        return connection_error(Failure.LOST, self._spec, said or words_of(error))

    def interrupt(self) -> None:
        """Cut the connection, which ends both pipes."""
        self._was_interrupted = True
        self._link.cut()

    def close(self) -> None:
        """Let the last requests leave, then end the connection and the threads."""
        if not self._is_open:
            return
        self._is_open = False
        os.close(self.read_fd)
        os.close(self.write_fd)
        self._carriers[1].join(_GOODBYE_SECONDS)
        self._channel.close()
        self._link.close()
        for carrier in self._carriers:
            carrier.join(_END_SECONDS)

    def _carrier(self, carry: Callable[[int], None], descriptor: int) -> threading.Thread:
        def work() -> None:
            try:
                carry(descriptor)
            except (paramiko.SSHException, EOFError, OSError) as error:
                self._ended_by = self._ended_by or error
            finally:
                os.close(descriptor)

        thread = threading.Thread(target=work, name="ssh-carrier", daemon=True)
        thread.start()
        return thread

    def _bring(self, arriving: int) -> None:
        while data := self._channel.recv(_READ_BYTES):
            view = memoryview(data)
            while view:
                view = view[os.write(arriving, view) :]
            # It counts against the same window: left alone, a server that logs there would come to a stop.
            self._hear()
        self._hear()

    def _hear(self) -> None:
        while self._channel.recv_stderr_ready():
            self._words += self._channel.recv_stderr(_READ_BYTES)[: OUTPUT_LIMIT_BYTES - len(self._words)]

    def _send(self, leaving: int) -> None:
        while data := os.read(leaving, _READ_BYTES):
            self._channel.sendall(data)
        self._channel.shutdown_write()


def _pipe() -> tuple[int, int]:
    reading, writing = os.pipe()
    # Fewer switches between the threads; a refusal (pipe-user-pages-soft) costs speed only.
    with contextlib.suppress(OSError):
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return reading, writing
