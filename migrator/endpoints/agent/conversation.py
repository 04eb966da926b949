"""What a tree sees of an agent, wherever that runs: requests with answers that come in the order asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from migrator.endpoints.agent import program as agent
from migrator.endpoints.allowance import UNLIMITED, Allowance
from migrator.errors import EndpointUnavailable, MigratorError, SafetyStop

# What is done with an answer's body, or with the error that is the answer; it must not exchange bytes itself.
Answer = Callable[[bytes], None]
Failed = Callable[[OSError], None]


class DiskFault(OSError):
    """The disk at the agent's side is full or failing."""


class Conversation(ABC):
    """A conversation with one agent. Not safe for use from two threads at once.

    Every method that waits raises EndpointUnavailable when the agent ends or falls silent, and SafetyStop when it
    breaks the protocol; the conversation is over then.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.allowance: Allowance = UNLIMITED  # whoever asks for content or sends it pays first
        self._error: MigratorError | None = None
        self._next_handle = 1

    @property
    @abstractmethod
    def in_flight(self) -> int:
        """Requests that are not answered yet."""

    @abstractmethod
    def send(self, verb: int, handle: int, *parts: bytes, then: Answer, fail: Failed) -> None:
        """Queue a request; `then` or `fail` is called with its answer, now or later."""

    @abstractmethod
    def flush(self) -> None:
        """See that requests under way leave, without waiting for anything."""

    @abstractmethod
    def pump(self) -> None:
        """Wait until at least one request was answered; one at least must be under way."""

    @abstractmethod
    def _end(self) -> None:
        """Let go of the agent."""

    @property
    def is_over(self) -> bool:
        """Whether the conversation has failed or was closed."""
        return self._error is not None

    def new_handle(self) -> int:
        """A number for a scan, a reading, a writer or a lock."""
        self._next_handle += 1
        return self._next_handle

    def call(self, verb: int, handle: int, *parts: bytes) -> bytes:
        """The answer to one request, waited for; OSError or DiskFault when that is the answer."""
        taken: list[bytes] = []
        failed: list[OSError] = []
        self.send(verb, handle, *parts, then=taken.append, fail=failed.append)
        while not taken:
            if failed:
                raise failed[0]
            self.pump()
        return taken[0]

    def let_go(self, handle: int) -> None:
        """Close what the handle stands for, without waiting; what is under way for it is still answered."""
        if not self.is_over:
            self.send(agent.CLOSE, handle, then=_ignore, fail=_ignore)

    def broken(self, what: str) -> MigratorError:
        """End the conversation because the agent said what cannot be; the error to raise."""
        return self.stop(
            SafetyStop(
                f"the agent on `{self.name}` breaks its protocol: {what}",
                hint="nothing it says can be relied on; find out what answers there before going on",
            )
        )

    def stop(self, error: MigratorError) -> MigratorError:
        """End the conversation because of `error`, which every later use raises too; returns it, to be raised."""
        if self._error is None:
            self._error = error
            self._end()
        return self._error

    def close(self) -> None:
        """End the conversation, and the agent with it. May be called twice."""
        self.stop(EndpointUnavailable(f"the session with `{self.name}` was closed"))


def _ignore(_: object) -> None:
    """For answers that nobody needs."""
