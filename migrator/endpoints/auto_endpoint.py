"""A host that is reached by SSH with `lane: auto`: the agent where one answers, SFTP everywhere else."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from migrator.domain.plan import EndpointSpec
from migrator.endpoints.agent.access import FarAccess
from migrator.endpoints.agent.endpoint import AgentEndpoint
from migrator.endpoints.allowance import UNLIMITED, Allowance
from migrator.endpoints.contract import Completed, Endpoint, SourceTree, TargetTree
from migrator.endpoints.sftp.endpoint import SftpEndpoint
from migrator.endpoints.ssh.channel import Connector
from migrator.endpoints.ssh.failures import NoCommand


class AutoEndpoint:
    """An Endpoint that asks for an agent once, at the first use of a tree or a link. Owns `connector`."""

    def __init__(self, spec: EndpointSpec, connector: Connector, allowance: Allowance = UNLIMITED) -> None:
        self._spec = spec
        self._connector = connector
        self._allowance = allowance
        self._lock = threading.Lock()
        self._chosen: Endpoint | None = None

    @property
    def spec(self) -> EndpointSpec:
        """The endpoint as the plan writes it."""
        return self._spec

    def source(self, root: bytes) -> SourceTree:
        """The tree below `root`, for reading only; connects at the first call."""
        return self._chosen_one().source(root)

    def target(self, root: bytes, temp_key: bytes) -> TargetTree:
        """The tree below `root`, for writing; connects at the first call."""
        return self._chosen_one().target(root, temp_key)

    def run(self, argv: Sequence[str], timeout_seconds: float) -> Completed:
        """Run a command there, which does not outlive us where an agent answers; see Endpoint.run."""
        return self._chosen_one().run(argv, timeout_seconds)

    def read_link(self, path: bytes) -> bytes | None:
        """The text of the symbolic link at `path`; None when nothing is there; Refused for other kinds."""
        return self._chosen_one().read_link(path)

    def point_link(self, path: bytes, to: bytes) -> None:
        """Make `path` a symbolic link to `to` in one atomic step; Refused where something else stands there."""
        self._chosen_one().point_link(path, to)

    def remove_link(self, path: bytes) -> None:
        """Remove the symbolic link at `path`; one that is gone counts as removed; Refused for other kinds."""
        self._chosen_one().remove_link(path)

    @property
    def has_spare(self) -> bool:
        """Whether a connection stands that serves whatever is asked for next."""
        return self._chosen is not None and self._chosen.has_spare

    def rest(self) -> None:
        """Close connections that nobody uses at the moment."""
        if self._chosen is not None:
            self._chosen.rest()

    def close(self) -> None:
        """Close every connection; may be called twice."""
        if self._chosen is not None:
            self._chosen.close()
        self._connector.close()

    def _chosen_one(self) -> Endpoint:
        with self._lock:
            if self._chosen is None:
                helped = AgentEndpoint(self._spec, FarAccess(self._spec, self._connector, self._allowance))
                try:
                    helped.greet()
                except NoCommand:  # no shell, or no python3: what SFTP offers is enough
                    self._chosen = SftpEndpoint(self._spec, self._connector, self._allowance)
                else:
                    self._chosen = helped
            return self._chosen
