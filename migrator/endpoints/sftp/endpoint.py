"""A host that is reached by SSH, its files by SFTP."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress

from migrator.domain.entries import Kind, display
from migrator.domain.plan import EndpointSpec
from migrator.endpoints.allowance import UNLIMITED, Allowance
from migrator.endpoints.contract import Completed
from migrator.endpoints.sftp import calls, wire
from migrator.endpoints.sftp.access import Access
from migrator.endpoints.sftp.session import SftpSession
from migrator.endpoints.sftp.source import SftpSource
from migrator.endpoints.sftp.target import SftpTarget
from migrator.endpoints.sftp.wire import SftpFailure
from migrator.endpoints.ssh.channel import Connector
from migrator.errors import EndpointUnavailable, MigratorError, Refused


class SftpEndpoint:
    """An Endpoint over SSH; every tree, lease, and the links below have a connection each. Owns `connector`."""

    def __init__(self, spec: EndpointSpec, connector: Connector, allowance: Allowance = UNLIMITED) -> None:
        self._spec = spec
        self._connector = connector
        self._access = Access(spec, connector, allowance)
        self._trees: list[SftpSource] = []
        self._session: SftpSession | None = None

    @property
    def spec(self) -> EndpointSpec:
        """The endpoint as the plan writes it."""
        return self._spec

    def source(self, root: bytes) -> SftpSource:
        """The tree below `root`, for reading only."""
        tree = SftpSource(self._access, root)
        self._trees.append(tree)
        return tree

    def target(self, root: bytes, temp_key: bytes) -> SftpTarget:
        """The tree below `root`, for writing."""
        tree = SftpTarget(self._access, root, temp_key)
        self._trees.append(tree)
        return tree

    def run(self, argv: Sequence[str], timeout_seconds: float) -> Completed:
        """Run a command there; Refused where the plan says that nothing may be executed."""
        if self._spec.lane == "sftp":
            raise Refused(
                f"no command is run on `{self._spec.name}`: its lane is `sftp`",
                hint="use `lane: auto` where commands may be run",
            )
        return self._connector.run(argv, timeout_seconds)

    def read_link(self, path: bytes) -> bytes | None:
        """The text of the symbolic link at `path`; None when nothing is there; Refused for other kinds."""
        session = self._connected()
        try:
            found = calls.lstat(session, path)
            if found is None:
                return None
            if found.kind is Kind.LINK:
                return calls.read_link(session, path)
        except SftpFailure as failure:
            raise self._no_access(path, str(failure)) from failure
        raise Refused(
            f"`{display(path)}` on `{self._spec.name}` is not a symbolic link",
            hint="a switch replaces links only; move what stands there out of the way",
        )

    def point_link(self, path: bytes, to: bytes) -> None:
        """Make `path` a symbolic link to `to` in one atomic step; Refused where something else stands there."""
        is_new = self.read_link(path) is None
        session = self._connected()
        if not is_new and wire.POSIX_RENAME not in session.extensions:
            raise Refused(
                f"`{self._spec.name}` cannot replace the link `{display(path)}` in one step",
                hint="its server does not offer posix-rename@openssh.com; switch by a `command` instead",
            )
        folder, _, name = path.rpartition(b"/")
        # Always the same temp name for one link, so that what a killed run left is replaced by the next one.
        temp = folder + b"/.migrator-link-" + hashlib.sha256(name).hexdigest()[:24].encode()
        try:
            calls.remove(session, temp)
            calls.learn_link_order(session, temp, temp + b"-order")
            calls.make_link(session, to, temp)
            try:
                (calls.rename if is_new else calls.replace)(session, temp, path)
            except SftpFailure:
                with suppress(SftpFailure):  # the reason why the rename failed is the one to tell
                    calls.remove(session, temp)
                raise
        except SftpFailure as failure:
            raise self._no_access(path, str(failure)) from failure

    def remove_link(self, path: bytes) -> None:
        """Remove the symbolic link at `path`; one that is gone counts as removed; Refused for other kinds."""
        if self.read_link(path) is None:
            return
        try:
            calls.remove(self._connected(), path)
        except SftpFailure as failure:
            raise self._no_access(path, str(failure)) from failure

    @property
    def has_spare(self) -> bool:
        """Never: each tree has a connection of its own, which ends with it."""
        return False

    def rest(self) -> None:
        """Close connections that nobody uses at the moment."""
        if self._session is not None:
            self._session.close()

    def close(self) -> None:
        """Close every connection; may be called twice."""
        for tree in self._trees:
            tree.close()
        if self._session is not None:
            self._session.close()
        self._connector.close()

    def _connected(self) -> SftpSession:
        if self._session is None or self._session.is_over:
            self._session = self._access.connect()
        return self._session

    def _no_access(self, path: bytes, reason: str) -> MigratorError:
        return EndpointUnavailable(
            f"cannot reach the link `{display(path)}` on `{self._spec.name}`: {reason}",
            hint="its folder must exist, and be open to the account that migrator logs in with",
        )
