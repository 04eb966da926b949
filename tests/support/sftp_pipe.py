"""The real sftp-server on a pair of pipes: the lane without SSH around it."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import sys
from collections.abc import Iterator, Sequence

from migrator.domain.plan import EndpointSpec, Ssh
from migrator.endpoints.agent.access import FarAccess
from migrator.endpoints.agent.endpoint import AgentEndpoint
from migrator.endpoints.contract import Completed
from migrator.endpoints.sftp.endpoint import SftpEndpoint
from migrator.endpoints.sftp.session import SftpSession
from migrator.errors import EndpointUnavailable, MigratorError

SFTP_SERVER = "/usr/lib/openssh/sftp-server"
_PIPE_BYTES = 1024 * 1024


class PipeChannel:
    """A Channel to a child process that speaks SFTP on its standard input and output."""

    def __init__(self, argv: Sequence[str], user: int | None = None) -> None:
        is_other = user is not None
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            user=user,
            group=user,
            extra_groups=[] if is_other else None,
            cwd="/" if is_other else None,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        for pipe in (self.process.stdin, self.process.stdout):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._is_closed = False

    @property
    def read_fd(self) -> int:
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    @property
    def write_fd(self) -> int:
        assert self.process.stdin is not None
        return self.process.stdin.fileno()

    def explain(self) -> MigratorError:
        return EndpointUnavailable(f"the server ended with status {self.process.wait(10)}")

    def interrupt(self) -> None:
        self.process.terminate()

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


class PipeConnector:
    """A Connector that starts a server of its own for each session."""

    peer = "sftp-server on a pipe"

    def __init__(self, *options: str, user: int | None = None, python: str = "python3") -> None:
        self._argv = [SFTP_SERVER, *options]
        self._python = python
        self._user = user
        self.channels: list[PipeChannel] = []

    def open_sftp(self) -> PipeChannel:
        channel = PipeChannel(self._argv, self._user)
        self.channels.append(channel)
        return channel

    def open_command(self, argv: Sequence[str]) -> PipeChannel:
        channel = PipeChannel([self._python if word == "python3" else word for word in argv], self._user)
        self.channels.append(channel)
        return channel

    def run(self, argv: Sequence[str], timeout_seconds: float, *, holds_input: bool = False) -> Completed:
        done = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout_seconds, check=False)
        return Completed(done.returncode, done.stdout, done.stderr)

    def close(self) -> None:
        for channel in self.channels:
            channel.close()


def pipe_spec(name: str = "piped") -> EndpointSpec:
    """How a plan would write an endpoint that is reached in this way, as the user who runs the test."""
    return EndpointSpec(name, ssh=Ssh(host="nowhere.example"))


@contextlib.contextmanager
def piped_endpoint(*options: str, user: int | None = None) -> Iterator[SftpEndpoint]:
    """An endpoint over the real sftp-server; `options` are the server's, `user` whom it runs as (needs root)."""
    endpoint = SftpEndpoint(pipe_spec(), PipeConnector(*options, user=user))
    try:
        yield endpoint
    finally:
        endpoint.close()


@contextlib.contextmanager
def piped_agent(python: str | None = None) -> Iterator[AgentEndpoint]:
    """An endpoint whose agent is run by a Python of this machine, the one that runs the test unless told."""
    endpoint = AgentEndpoint(pipe_spec(), FarAccess(pipe_spec(), PipeConnector(python=python or sys.executable)))
    try:
        yield endpoint
    finally:
        endpoint.close()


@contextlib.contextmanager
def piped_session(*options: str) -> Iterator[SftpSession]:
    """One session with the real sftp-server."""
    connector = PipeConnector(*options)
    try:
        yield SftpSession.start(connector.open_sftp(), "piped")
    finally:
        connector.close()
