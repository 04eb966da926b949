"""The way to an SSH endpoint: itself, and the endpoints it is reached through, each checked before any use."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from migrator.domain.plan import EndpointSpec, Ssh
from migrator.errors import PlanInvalid, Unreachable

# How long one TCP connection and the server's first words may take.
CONNECT_SECONDS = 10
# How long a connection may take from nothing to a session that answers: connection, host key, login, handshake.
HANDSHAKE_SECONDS = 20
# Silence on a living connection: asked after 15 s, given up after two questions without an answer.
KEEPALIVE_SECONDS = 15
KEEPALIVE_TRIES = 2

# A leading `-` would be read as an option; the rest keeps a name out of shells, known_hosts patterns and ssh's syntax.
_HOST = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9_.:%-]*\Z")
_ALIAS = re.compile(r"(?!-)[^\s\x00-\x1f\x7f'\"`$\\;&<>|(){}*?!,]+\Z")
_USER = re.compile(r"(?!-)[^\x00-\x1f\x7f'\"`;&<>|(){}]+(?<!\\)\Z")


def ssh_of(spec: EndpointSpec) -> Ssh:
    """The SSH settings of an endpoint that has some; PlanInvalid for this machine."""
    if spec.ssh is None:
        raise PlanInvalid(f"endpoint `{spec.name}` is this machine, not a host reached by SSH")
    return spec.ssh


def host_of(spec: EndpointSpec) -> str:
    """The host name, address or alias as the plan writes it."""
    ssh = ssh_of(spec)
    return ssh.alias or ssh.host or ""


def jumps_to(spec: EndpointSpec, endpoints: Mapping[str, EndpointSpec]) -> tuple[EndpointSpec, ...]:
    """The endpoints on the way to `spec`, first hop first; PlanInvalid for a jump to nowhere or in a circle."""
    jumps: list[EndpointSpec] = []
    at = spec
    while (name := ssh_of(at).jump) is not None:
        if name == spec.name or any(name == jump.name for jump in jumps):
            raise PlanInvalid(f"endpoint `{spec.name}`: its jumps lead back to `{name}`")
        if name not in endpoints:
            raise PlanInvalid(f"endpoint `{at.name}`: `jump` names `{name}`, which is no endpoint of the plan")
        at = endpoints[name]
        jumps.insert(0, at)
    return tuple(jumps)


def check_names(spec: EndpointSpec) -> None:
    """Refuse a host, alias or user that ssh could read as anything but a name."""
    ssh = ssh_of(spec)
    if ssh.alias is not None:
        _refuse_unless(_ALIAS.match(ssh.alias), spec, "alias", ssh.alias)
    else:
        _refuse_unless(_HOST.match(ssh.host or ""), spec, "host", ssh.host or "")
    if ssh.user is not None:
        _refuse_unless(_USER.match(ssh.user), spec, "user", ssh.user)


def check_identity(spec: EndpointSpec) -> None:
    """Unreachable when the key file the plan names cannot be read; both connectors would only say "denied"."""
    path = ssh_of(spec).identity_file
    if path is not None and not (path.is_file() and os.access(path, os.R_OK)):
        raise Unreachable(
            f"endpoint `{spec.name}`: the identity file {str(path)!r} cannot be read",
            hint="check `identity_file`: the path of a private key that this user may read",
        )


def _refuse_unless(fits: object, spec: EndpointSpec, what: str, value: str) -> None:
    if not fits:
        raise PlanInvalid(
            f"endpoint `{spec.name}`: {value!r} cannot be used as an SSH {what}",
            hint="a name does not begin with `-` and holds no spaces, quotes or shell characters",
        )
