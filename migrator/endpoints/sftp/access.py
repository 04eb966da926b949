"""How sessions with one endpoint come about, and what the sftp lane can do there."""

from __future__ import annotations

import getpass

from migrator.domain.plan import EndpointSpec
from migrator.endpoints.allowance import UNLIMITED, Allowance
from migrator.endpoints.contract import Abilities
from migrator.endpoints.sftp.session import SftpSession
from migrator.endpoints.ssh.channel import Connector
from migrator.endpoints.ssh.connecting import open_session


class Access:
    """The way to one endpoint; each session has a connection of its own."""

    def __init__(self, spec: EndpointSpec, connector: Connector, allowance: Allowance = UNLIMITED) -> None:
        self._spec = spec
        self._connector = connector
        self._allowance = allowance

    @property
    def name(self) -> str:
        """The endpoint's name in the plan."""
        return self._spec.name

    @property
    def abilities(self) -> Abilities:
        """What SFTP version 3 sees, and keeps of what it is told."""
        return Abilities(
            lane="sftp",
            peer=self._connector.peer,
            keeps=frozenset({"mode", "times", "owner", "setid"}),
            sees_ctime=False,
            hashes=False,
            can_run=self._spec.lane != "sftp",
            syncs_directories=False,
        )

    @property
    def is_root(self) -> bool:
        """Whether we log in as root; an alias of ssh_config does not tell, and counts as no."""
        ssh = self._spec.ssh
        if ssh is None or ssh.alias is not None:
            return False
        return (ssh.user or getpass.getuser()) == "root"

    def connect(self) -> SftpSession:
        """A new session on a new connection."""
        session = open_session(
            self._connector.open_sftp, lambda channel: SftpSession.start(channel, self.name), self._allowance
        )
        session.allowance = self._allowance
        return session
