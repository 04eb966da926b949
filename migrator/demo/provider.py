"""An SSH provider of our own on the loopback: a real server on a real socket that offers SFTP below one folder."""

from __future__ import annotations

import base64
import logging
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED, OPEN_SUCCEEDED

from migrator.demo.served_tree import ServedTree
from migrator.demo.sftp_server import SftpServer

USER = "export"

_MOST_CONNECTIONS = 64
_LOG = "migrator.demo.provider"

# paramiko reports every hang-up of a client as an error; without a listener Python would print that to stderr.
logging.getLogger(_LOG).addHandler(logging.NullHandler())


def make_key(path: Path) -> str:
    """Write a new ed25519 private key to `path` (mode 0600) in OpenSSH's format; returns its public line."""
    key = Ed25519PrivateKey.generate()
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


class Provider:
    """Serves `root` over SFTP on 127.0.0.1 while used in a `with` block; leaves no thread and no socket behind.

    Only the user `export` with the private half of `client_key` (a line "ssh-ed25519 AAAA...") gets in, and only to
    SFTP: no shell, no command, no forwarding. Read-only unless `is_writable`.
    """

    def __init__(self, root: Path, host_key_file: Path, client_key: str, *, is_writable: bool = False) -> None:
        self._root = root
        self._host_key = paramiko.Ed25519Key.from_private_key_file(str(host_key_file))
        self._client_key = base64.b64decode(client_key.split()[1], validate=True)
        self._is_writable = is_writable
        self._connections: list[_Connection] = []

    def __enter__(self) -> Self:
        self._tree = ServedTree(self._root, is_writable=self._is_writable)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_MOST_CONNECTIONS)
        self._greeter = threading.Thread(target=self._greet, name="demo provider", daemon=True)
        self._greeter.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # closing alone would not wake a thread that waits in accept
        self._greeter.join()
        self._listener.close()
        for connection in self._connections:
            connection.close()
        self._tree.close()

    @property
    def port(self) -> int:
        """The port that the system picked."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def host_key(self) -> str:
        """The public host key as a line for `host_keys` of a plan."""
        return f"{self._host_key.get_name()} {self._host_key.get_base64()}"

    def _greet(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # shut down by __exit__
            self._connections = [connection for connection in self._connections if connection.is_open]
            if len(self._connections) >= _MOST_CONNECTIONS:
                client.close()
                continue
            connection = _Connection(client, self._tree, self._client_key)
            self._connections.append(connection)
            connection.start(self._host_key)


class _Connection(paramiko.ServerInterface):
    """One client: who gets in, and what is open to it."""

    def __init__(self, client: socket.socket, tree: ServedTree, client_key: bytes) -> None:
        self._tree = tree
        self._client_key = client_key
        self._transport = paramiko.Transport(client)
        self._transport.set_log_channel(_LOG)
        self._sessions: list[threading.Thread] = []

    def start(self, host_key: paramiko.PKey) -> None:
        """Begin to speak SSH, in a thread of its own."""
        self._transport.add_server_key(host_key)
        self._transport.start_server(event=threading.Event(), server=self)

    @property
    def is_open(self) -> bool:
        """Whether anything of it is still at work."""
        return self._transport.is_alive() or any(session.is_alive() for session in self._sessions)

    def close(self) -> None:
        """Hang up, and wait until its threads are gone."""
        self._transport.close()
        self._transport.join()
        for session in self._sessions:
            session.join()

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002 - paramiko's signature
        """The only way in."""
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        """Whether this key may come in; that the client holds its private half is checked by the transport."""
        is_ours = username == USER and key.asbytes() == self._client_key
        return AUTH_SUCCESSFUL if is_ours else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002 - paramiko's signature
        """Sessions only."""
        if kind == "session":
            return OPEN_SUCCEEDED
        return OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        """SFTP only."""
        if name != "sftp":
            return False
        session = threading.Thread(target=self._serve, args=(channel,), name="demo provider: sftp", daemon=True)
        self._sessions.append(session)
        session.start()
        return True

    def _serve(self, channel: paramiko.Channel) -> None:
        try:
            SftpServer(channel, self._tree).serve()
        finally:
            _say_goodbye(channel)


def _say_goodbye(channel: paramiko.Channel) -> None:
    try:
        if not channel.closed:
            channel.send_exit_status(0)
        channel.close()
    except (EOFError, OSError):
        return  # the client's connection ended first: nobody is left to be told
