"""An endpoint whose trees an agent reads and writes: a host reached by SSH, or this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar
from weakref import WeakSet

from migrator.domain.entries import display
from migrator.domain.plan import EndpointSpec
from migrator.endpoints.agent import program as agent
from migrator.endpoints.agent.access import Access
from migrator.endpoints.agent.conversation import Conversation
from migrator.endpoints.agent.source import AgentSource
from migrator.endpoints.agent.target import AgentTarget
from migrator.endpoints.contract import Completed
from migrator.endpoints.faults import sentence
from migrator.errors import EndpointUnavailable, Refused

T = TypeVar("T")


class AgentEndpoint:
    """An Endpoint of which every tree, lock, and the links below have an agent each. Owns `access`."""

    def __init__(self, spec: EndpointSpec, access: Access) -> None:
        self._spec = spec
        self._access = access
        self._trees: WeakSet[AgentSource] = WeakSet()

    @property
    def spec(self) -> EndpointSpec:
        """The endpoint as the plan writes it."""
        return self._spec

    def greet(self) -> None:
        """Make sure that an agent answers there; NoCommand when none does."""
        self._access.greet()

    def source(self, root: bytes) -> AgentSource:
        """The tree below `root`, for reading only."""
        tree = AgentSource(self._access, root)
        self._trees.add(tree)
        return tree

    def target(self, root: bytes, temp_key: bytes) -> AgentTarget:
        """The tree below `root`, for writing."""
        tree = AgentTarget(self._access, root, temp_key)
        self._trees.add(tree)
        return tree

    def run(self, argv: Sequence[str], timeout_seconds: float) -> Completed:
        """Run a command there; see Endpoint.run."""
        return self._access.run(argv, timeout_seconds)

    def read_link(self, path: bytes) -> bytes | None:
        """The text of the symbolic link at `path`; None when nothing is there; Refused for other kinds."""
        answer = self._asked(path, lambda session: session.call(agent.READ_LINK, 0, agent.packed(path)))
        if answer[:1] == b"\2":
            raise Refused(
                f"`{display(path)}` {self._access.where} is not a symbolic link",
                hint="a switch replaces links only; move what stands there out of the way",
            )
        return answer[1:] if answer[:1] == b"\1" else None

    def point_link(self, path: bytes, to: bytes) -> None:
        """Make `path` a symbolic link to `to` in one atomic, durable step; Refused where something else stands."""
        self.read_link(path)
        name = path.rpartition(b"/")[2]
        # Always the same temp name for one link, so that what a killed run left is replaced by the next one.
        temp = b".migrator-link-" + hashlib.sha256(name).hexdigest()[:24].encode()
        texts = [agent.packed(text) for text in (path, temp, to)]
        self._asked(path, lambda session: session.call(agent.POINT_LINK, 0, *texts))

    def remove_link(self, path: bytes) -> None:
        """Remove the symbolic link at `path`, durably; one that is gone counts as removed; Refused for other kinds."""
        if self.read_link(path) is not None:
            self._asked(path, lambda session: session.call(agent.REMOVE_LINK, 0, agent.packed(path)))

    @property
    def has_spare(self) -> bool:
        """Whether a connection stands that serves whatever is asked for next."""
        return self._access.has_spare

    def rest(self) -> None:
        """Close connections that nobody uses at the moment."""
        self._access.rest()

    def close(self) -> None:
        """Close every connection; may be called twice."""
        for tree in self._trees:
            tree.close()
        self._access.close()

    def _asked(self, path: bytes, ask: Callable[[Conversation], T]) -> T:
        session = self._access.connect()
        try:
            return ask(session)
        except OSError as error:
            raise EndpointUnavailable(
                f"cannot reach the link `{display(path)}` {self._access.where}: {sentence(error)}",
                hint=f"its folder must exist, and be open to {self._access.account}",
            ) from error
        finally:
            self._access.give_back(session)
