"""The agent within this process: how trees on this machine are read and written."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Sequence
from typing import Any

from migrator import failpoints
from migrator.endpoints.agent import program as agent
from migrator.endpoints.agent.access import KEPT_BY_AGENT
from migrator.endpoints.agent.conversation import Answer, Conversation, DiskFault, Failed
from migrator.endpoints.allowance import UNLIMITED, Allowance
from migrator.endpoints.contract import Abilities, Completed
from migrator.endpoints.local_commands import run_command


class HereConversation(Conversation):
    """A conversation in which every request is answered before `send` returns."""

    def __init__(self) -> None:
        super().__init__("this machine")
        agent.FAIL_POINT = failpoints.hook()
        self._agent: Any = agent.Agent()  # type: ignore[no-untyped-call] # a program for Python 3.6

    @property
    def in_flight(self) -> int:
        """None ever is."""
        return 0

    def send(self, verb: int, handle: int, *parts: bytes, then: Answer, fail: Failed) -> None:
        """Carry the request out and hand its answer over."""
        if self._error is not None:
            raise self._error
        status, body = self._agent.answer(verb, handle, parts[0] if len(parts) == 1 else b"".join(parts))
        if status == agent.OK:
            then(body)
            return
        (number,) = struct.unpack_from(">i", body)
        words = agent.Body(body[4:]).text().decode("utf-8", "replace")
        fail((DiskFault if status == agent.DISK_FAULT else OSError)(number or errno.EIO, words))

    def flush(self) -> None:
        """Nothing is ever under way."""

    def pump(self) -> None:
        """There is nothing to wait for."""
        raise RuntimeError("waiting for an answer although nothing was asked")

    def _end(self) -> None:
        self._agent.close()


class HereAccess:
    """The way to agents within this process; there is nothing to connect."""

    name = "this machine"
    where = "on this machine"
    account = "the user that runs migrator"

    def __init__(self, allowance: Allowance = UNLIMITED) -> None:
        self._allowance = allowance

    @property
    def abilities(self) -> Abilities:
        """What a local tree sees and keeps."""
        return Abilities(
            lane="local",
            peer="this machine",
            keeps=KEPT_BY_AGENT,
            sees_ctime=True,
            hashes=True,
            can_run=True,
            syncs_directories=True,
        )

    @property
    def is_root(self) -> bool:
        """Whether we run as root."""
        return os.geteuid() == 0

    def greet(self) -> None:
        """It is always there."""

    def connect(self) -> HereConversation:
        """A conversation with an agent of its own."""
        conversation = HereConversation()
        conversation.allowance = self._allowance
        return conversation

    def give_back(self, conversation: Conversation) -> None:
        """End it: another one costs nothing."""
        conversation.close()

    def run(self, argv: Sequence[str], timeout_seconds: float) -> Completed:
        """Run a command with the environment of migrator, secrets left out; see Endpoint.run."""
        return run_command(argv, timeout_seconds)

    @property
    def has_spare(self) -> bool:
        """There is no connection to keep."""
        return False

    def rest(self) -> None:
        """There is no connection to close."""

    def close(self) -> None:
        """There is no connection to close."""
