"""ProFTPD with mod_sftp: a second SFTP server, that shares no code with OpenSSH's."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from migrator.domain.plan import EndpointSpec, Ssh
from tests.support.sshd import HOST, Account, ClientKey, free_port, make_key, wait_for

PROFTPD = "/usr/sbin/proftpd"


@dataclass
class Proftpd:
    """A running server."""

    port: int
    folder: Path
    account: Account
    client_key: ClientKey
    host_key: str
    process: subprocess.Popen[bytes]

    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / "log").read_text(errors="replace")

    def has_started_or_failed(self) -> bool:
        """Whether it listens, or has given up."""
        return "standalone mode STARTUP" in self.log() or self.process.poll() is not None

    def endpoint(self, name: str = "legacy") -> EndpointSpec:
        """The endpoint as a plan would write it."""
        identity, keys = self.client_key.private, (self.host_key,)
        ssh = Ssh(host=HOST, port=self.port, user=self.account.name, identity_file=identity, host_keys=keys)
        return EndpointSpec(name=name, ssh=ssh, connector="openssh", lane="sftp")


@contextlib.contextmanager
def running_proftpd(account: Account, client_key: ClientKey) -> Iterator[Proftpd]:
    """A server that lets `client_key` in as `account`, in the foreground; stopped by its pid."""
    folder = Path(tempfile.mkdtemp(prefix="migrator-proftpd-"))
    folder.chmod(0o711)
    try:
        host_key = make_key(folder / "host_key").public
        (folder / "keys").mkdir()
        keys = folder / "keys" / account.name
        # mod_sftp reads public keys in the format of RFC 4716 only.
        converted = subprocess.run(
            ["ssh-keygen", "-e", "-m", "RFC4716", "-f", f"{client_key.private}.pub"], capture_output=True, check=True
        )
        keys.write_bytes(converted.stdout)
        server = _started(folder, account, client_key, host_key)
        try:
            wait_for(server.has_started_or_failed, "proftpd listens")
            assert server.process.poll() is None, server.log()
            yield server
        finally:
            server.process.terminate()
            server.process.wait(10)
    finally:
        shutil.rmtree(folder)


def _started(folder: Path, account: Account, client_key: ClientKey, host_key: str) -> Proftpd:
    port = free_port()
    (folder / "config").write_text("\n".join(_configuration(folder, port)) + "\n")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [PROFTPD, "--nodaemon", "--config", str(folder / "config")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    return Proftpd(port, folder, account, client_key, host_key, process)


def _configuration(folder: Path, port: int) -> list[str]:
    user = pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() else "nobody"
    return [
        "LoadModule mod_sftp.c",
        "ServerType standalone",
        "ServerName test",
        "UseIPv6 off",
        "UseReverseDNS off",
        f"DefaultAddress {HOST}",
        "SocketBindTight on",
        f"Port {port}",
        f"User {user}",
        "Group nogroup",
        f"PidFile {folder}/pid",
        f"ScoreboardFile {folder}/scoreboard",
        f"DelayTable {folder}/delays",
        "WtmpLog off",
        "RequireValidShell off",
        "AuthPAM off",
        "AuthOrder mod_auth_unix.c",
        "RootLogin on",
        "AllowOverwrite on",
        "AllowStoreRestart on",
        "Umask 022",
        "<Directory />",
        "  AllowOverwrite on",
        "</Directory>",
        "SFTPEngine on",
        f"SFTPLog {folder}/sftp.log",
        f"SFTPHostKey {folder}/host_key",
        "SFTPAuthMethods publickey",
        f"SFTPAuthorizedUserKeys file:{folder}/keys/%u",
    ]
