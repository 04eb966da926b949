"""How conversations with agents at one endpoint come about, and what the agent lane can do there."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from migrator.domain.plan import EndpointSpec
from migrator.endpoints.agent.conversation import Conversation
from migrator.endpoints.agent.session import COMMAND, AgentSession
from migrator.endpoints.allowance import UNLIMITED, Allowance
from migrator.endpoints.contract import Abilities, Completed
from migrator.endpoints.guard import guarded
from migrator.endpoints.ssh.channel import Connector
from migrator.endpoints.ssh.connecting import open_session

KEPT_BY_AGENT = frozenset({"mode", "times", "owner", "setid", "hardlinks", "xattrs", "acls", "holes"})


class Access(Protocol):
    """The way to agents at one endpoint."""

    @property
    def name(self) -> str:
        """The endpoint, for the names of its roots."""

    @property
    def where(self) -> str:
        """The endpoint within a sentence: "on `web`"."""

    @property
    def account(self) -> str:
        """Who must be allowed to do what is asked for, in hints."""

    @property
    def abilities(self) -> Abilities:
        """What the agent sees and keeps; connects when nobody has yet, to know who answers."""

    @property
    def is_root(self) -> bool:
        """Whether the agent runs as root."""

    def greet(self) -> None:
        """Make sure that an agent answers there; NoCommand when none does."""

    def connect(self) -> Conversation:
        """A conversation with an agent that nobody else uses."""

    def give_back(self, conversation: Conversation) -> None:
        """Take a conversation from a user who is done with it: the next one may get it."""

    def run(self, argv: Sequence[str], timeout_seconds: float) -> Completed:
        """Run a command there; see Endpoint.run."""

    @property
    def has_spare(self) -> bool:
        """Whether a connection stands that serves whoever connects next."""

    def rest(self) -> None:
        """Close connections that nobody uses at the moment."""

    def close(self) -> None:
        """Close every connection; may be called twice."""


class FarAccess:
    """The way over SSH; each session has a connection, and an agent, of its own. Owns `connector`.

    One session that was given back is kept, as to log in takes far longer than most questions.
    """

    account = "the account that migrator logs in with"

    def __init__(self, spec: EndpointSpec, connector: Connector, allowance: Allowance = UNLIMITED) -> None:
        self._spec = spec
        self._connector = connector
        self._allowance = allowance
        self._lock = threading.Lock()
        self._spare: AgentSession | None = None
        self._version = ""
        self._is_root = False

    @property
    def name(self) -> str:
        """The endpoint's name in the plan."""
        return self._spec.name

    @property
    def where(self) -> str:
        """The endpoint within a sentence."""
        return f"on `{self._spec.name}`"

    @property
    def abilities(self) -> Abilities:
        """What the agent sees and keeps; connects when nobody has yet, to know who answers."""
        self.greet()
        return Abilities(
            lane="agent",
            peer=f"{self._connector.peer}, Python {self._version}",
            keeps=KEPT_BY_AGENT,
            sees_ctime=True,
            hashes=True,
            can_run=True,
            syncs_directories=True,
        )

    @property
    def is_root(self) -> bool:
        """Whether the agent runs as root, as it says itself."""
        self.greet()
        return self._is_root

    def greet(self) -> None:
        """Make sure that an agent answers there; NoCommand when none does. Its session serves the next who connects."""
        with self._lock:
            if not self._version and self._spare is None:
                self._spare = self._start()

    @property
    def has_spare(self) -> bool:
        """Whether a session stands that nobody has taken."""
        return self._spare is not None

    def connect(self) -> AgentSession:
        """A session with an agent."""
        with self._lock:
            spare, self._spare = self._spare, None
            if spare is not None:
                if spare.is_usable_again():
                    return spare
                spare.close()
            return self._start()

    def give_back(self, conversation: Conversation) -> None:
        """Keep the session for the next who connects, unless it is over or another one is kept."""
        with self._lock:
            if self._spare is None and not conversation.is_over and isinstance(conversation, AgentSession):
                self._spare = conversation
                return
        conversation.close()

    def run(self, argv: Sequence[str], timeout_seconds: float) -> Completed:
        """Run a command there, which does not outlive us, in the place of the spare connection; see Endpoint.run."""
        self.rest()
        return self._connector.run(guarded("python3", argv), timeout_seconds, holds_input=True)

    def rest(self) -> None:
        """End the session that nobody has taken."""
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is not None:
            spare.close()

    def close(self) -> None:
        """End the session that nobody has taken, and every connection."""
        self.rest()
        self._connector.close()

    def _start(self) -> AgentSession:
        session = open_session(
            lambda: self._connector.open_command(COMMAND),
            lambda channel: AgentSession.start(channel, self.name),
            self._allowance,
        )
        session.allowance = self._allowance
        self._version, self._is_root = session.version, session.is_root
        return session
