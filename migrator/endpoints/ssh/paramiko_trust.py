"""Which host keys paramiko's connections trust: the plan's pins, or what known_hosts says."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import paramiko

from migrator.endpoints.ssh.config import Host, Trust, look_up, parse_known_hosts_line
from migrator.endpoints.ssh.failures import Failure, connection_error
from migrator.endpoints.ssh.host_keys import HostKey, parse_host_key


def trust_for(host: Host) -> Trust:
    """The pinned keys and nothing else, or without pins what ssh-keygen (or in its absence paramiko) finds."""
    if host.pins:
        return Trust(host.pins)
    try:
        return look_up(host)
    except FileNotFoundError:
        return _look_up_without_tools(host)
    except subprocess.TimeoutExpired as error:
        raise connection_error(Failure.UNKNOWN_KEY, host.spec, b"ssh-keygen does not answer") from error


def _look_up_without_tools(host: Host) -> Trust:
    """As `look_up`, by paramiko's reader, which stumbles over markers: their lines are taken out first.

    A revoked key counts as revoked for every host, whatever its line says.
    """
    keys: list[HostKey] = []
    revoked: list[HostKey] = []
    for file in host.known_hosts:
        if not file.is_file():
            continue
        plain = []
        for line in file.read_text("utf-8", "replace").splitlines():
            marker, key = parse_known_hosts_line(line)
            if marker == "@revoked" and key is not None:
                revoked.append(key)
            elif not marker and key is not None:
                plain.append(line)
        keys += _read_by_paramiko(plain, host.known_as)
    return Trust(tuple(keys), tuple(revoked))


def _read_by_paramiko(lines: list[str], name: str) -> list[HostKey]:
    with tempfile.TemporaryDirectory(prefix="migrator-ssh-") as folder:
        copy = Path(folder) / "known_hosts"
        copy.write_text("".join(f"{line}\n" for line in lines))
        found = paramiko.HostKeys(str(copy)).lookup(name)
        items = () if found is None else found.items()
        keys = (parse_host_key(f"{key_type} {key.get_base64()}") for key_type, key in items)
        return [key for key in keys if key is not None]
