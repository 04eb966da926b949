"""How the lanes see a connector: two descriptors to speak through, and the reason when they fall silent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from migrator.endpoints.contract import Completed
from migrator.errors import MigratorError

# The turn to connect and log in, held from before the first packet until there is a session, or will be none.
Door = Callable[[], AbstractContextManager[None]]


class Channel(Protocol):
    """One SFTP session or running command on an SSH connection of its own: a pair of descriptors in blocking mode."""

    @property
    def read_fd(self) -> int:
        """Where the server's bytes arrive; at its end the channel is dead."""

    @property
    def write_fd(self) -> int:
        """Where requests go; EPIPE when the channel is dead."""

    def explain(self) -> MigratorError:
        """Why the channel ended early, as the error to raise; waits a few seconds at most for the transport's words.

        SafetyStop for a host key that is unknown or changed, EndpointUnavailable for everything else, of which
        NoCommand says that the login went well and the command did not.
        """

    def interrupt(self) -> None:
        """End the session from any thread: a blocked reader sees the end; the descriptors stay open until `close`."""

    def close(self) -> None:
        """End the session and its connection, leaving no child behind; may be called twice."""


class Connector(Protocol):
    """How we speak SSH to one endpoint. Opening costs nothing; the first use connects."""

    @property
    def peer(self) -> str:
        """The server's software as its banner names it, or "unknown" before the first connection or where hidden."""

    def open_sftp(self) -> Channel:
        """A new connection with an SFTP session on it; nothing is executed at the endpoint."""

    def open_command(self, argv: Sequence[str]) -> Channel:
        """A new connection with a command running on it (`shlex.join`ed, no terminal), its input and output the pair.

        What it writes to standard error is kept for `explain` alone.
        """

    def run(self, argv: Sequence[str], timeout_seconds: float, *, holds_input: bool = False) -> Completed:
        """Run a command there (`shlex.join`ed), standard input empty; see Endpoint.run.

        With `holds_input` it does not end before we do: its end tells a guarded command that we are gone.
        """

    def close(self) -> None:
        """Close every connection; may be called twice."""
