"""Logging in through paramiko with the keys that the plan, ssh-agent and the user's folder offer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.pkey import UnknownKeyType

from migrator.endpoints.ssh.config import Host
from migrator.endpoints.ssh.failures import Failure, connection_error
from migrator.endpoints.ssh.host_keys import parse_host_key
from migrator.endpoints.ssh.paramiko_transport import SshTransport, failure_of, words_of


def log_in(transport: SshTransport, host: Host) -> None:
    """Log in with the first key that the server takes; raises what `connection_error` makes of a refusal."""
    agent = paramiko.Agent()
    try:
        notes: list[str] = []
        for key in _keys(host, agent, notes):
            if _is_taken(transport, host, key):
                return
    finally:
        agent.close()
    words = "; ".join(notes) or "no key was accepted"
    raise connection_error(Failure.LOGIN_REFUSED, host.spec, words.encode("utf-8", "surrogateescape"))


def _is_taken(transport: SshTransport, host: Host, key: paramiko.PKey) -> bool:
    try:
        further = transport.auth_publickey(host.user, key)
    except paramiko.BadAuthenticationType as error:
        raise connection_error(Failure.LOGIN_REFUSED, host.spec, words_of(error)) from error
    except paramiko.AuthenticationException as error:
        # A server that has heard enough hangs up: its way of saying "too many keys".
        if not transport.is_active():
            raise connection_error(Failure.LOGIN_REFUSED, host.spec, words_of(error)) from error
        return False
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise connection_error(failure_of(error, transport), host.spec, words_of(error)) from error
    if further:
        said = f"the server also wants {', '.join(further)}".encode()
        raise connection_error(Failure.LOGIN_REFUSED, host.spec, said)
    return True


def _keys(host: Host, agent: paramiko.Agent, notes: list[str]) -> Iterator[paramiko.PKey]:
    """The keys in ssh's order: files named for the host, then ssh-agent's; `notes` collects why a file is no use."""
    held = list(agent.get_keys())
    for path in host.identities:
        if not path.is_file():
            continue
        public = _public_half(path)
        in_agent = next((key for key in held if public is not None and key.asbytes() == public), None)
        if in_agent is not None:
            held.remove(in_agent)
            yield in_agent
        elif (key := _read(path, notes)) is not None:
            yield key
    if not host.uses_only_identities:
        yield from held


def _read(path: Path, notes: list[str]) -> paramiko.PKey | None:
    try:
        return paramiko.PKey.from_path(path)
    except TypeError:  # what the library raises for a passphrase that is missing
        notes.append(f"the key {str(path)!r} has a passphrase and is not in ssh-agent")
    except (paramiko.SSHException, UnknownKeyType, UnsupportedAlgorithm, OSError, ValueError) as error:
        notes.append(f"the key {str(path)!r} cannot be read: {error}")
    return None


def _public_half(path: Path) -> bytes | None:
    """The wire form of the public key beside a private one; None when there is none to be read."""
    try:
        key = parse_host_key(Path(f"{path}.pub").read_text("ascii"))
    except (OSError, ValueError):
        return None
    return key.blob if key is not None else None
