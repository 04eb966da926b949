"""Argument lists for the system's ssh client (ssh(1), ssh_config(5)): strict, silent, and with nothing forwarded."""

from __future__ import annotations

import functools
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from migrator.domain.plan import EndpointSpec
from migrator.endpoints.ssh.host_keys import algorithms_of, known_hosts_lines, pinned_keys
from migrator.endpoints.ssh.route import CONNECT_SECONDS, KEEPALIVE_SECONDS, KEEPALIVE_TRIES, host_of, ssh_of
from migrator.errors import PlanInvalid

# AES-GCM first where this CPU computes AES itself: half as fast again as ssh's default there.
_CIPHERS = (
    "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr"
)
_ALWAYS = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    f"ConnectTimeout={CONNECT_SECONDS}",
    f"ServerAliveInterval={KEEPALIVE_SECONDS}",
    f"ServerAliveCountMax={KEEPALIVE_TRIES}",
    "UpdateHostKeys=no",
    "VisualHostKey=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "Tunnel=no",
    "RequestTTY=no",
    # Says how far a connection came: the server's version, the end of the login, the exit status of a command.
    "LogLevel=DEBUG1",
)
# A mapping in the plan is complete: nothing else of the environment is any of ssh's business.
_ENVIRONMENT = ("HOME", "USER", "LOGNAME", "PATH", "LANG", "TMPDIR", "SSH_AUTH_SOCK")


def ssh_command(route: Sequence[EndpointSpec], logs: Sequence[Path], pins: Sequence[Path | None]) -> list[str]:
    """`ssh` with its options, up to and without `--`, to the last endpoint of `route` by way of the others.

    For each endpoint of the route: `logs` is where its ssh writes its log, so that a failure can be laid at the right
    door; `pins` is a known_hosts file with the keys that the plan pins, None where it pins none.
    """
    command: list[str] = []
    for hop, (spec, log, pinned) in enumerate(zip(route, logs, pins, strict=True)):
        proxy = []
        if hop:
            through = [*command, "-W", _forwarded_to(spec), "--", host_of(route[hop - 1])]
            # ssh expands `%` once on each level; its shell is the /bin/sh that `ssh_environment` names.
            proxy = ["-o", f"ProxyCommand={shlex.join(through).replace('%', '%%')}"]
        command = ["ssh", "-E", str(log), *_options(spec, pinned), *proxy]
    return command


def pins_of(spec: EndpointSpec) -> str | None:
    """The known_hosts file for the keys that the plan pins; None when it pins none."""
    keys = pinned_keys(spec)
    return known_hosts_lines(host_of(spec), ssh_of(spec).port, keys) if keys else None


def ssh_environment(route: Sequence[EndpointSpec]) -> dict[str, str]:
    """What ssh needs of our environment; all of it only where the user's own configuration may refer to it."""
    uses_configuration = any(ssh_of(spec).alias is not None for spec in route)
    kept = os.environ if uses_configuration else {n: os.environ[n] for n in _ENVIRONMENT if n in os.environ}
    return {**kept, "SHELL": "/bin/sh", "SSH_ASKPASS_REQUIRE": "never"}


def _options(spec: EndpointSpec, pinned: Path | None) -> list[str]:
    ssh = ssh_of(spec)
    options = ["-S", "none", *_as_options(_ALWAYS)]
    if ssh.alias is not None:
        return [*options, "-o", "RemoteCommand=none"]
    options += ["-F", "none", "-p", str(ssh.port), "-o", "CheckHostIP=no", *_host_key_options(spec, pinned)]
    if ssh.user is not None:
        options += ["-l", ssh.user]
    if ssh.identity_file is not None:
        options += ["-o", "IdentitiesOnly=yes", "-o", f"IdentityFile={_quoted(ssh.identity_file, spec)}"]
    if _has_aes():
        options += ["-c", _CIPHERS]
    return options


def _host_key_options(spec: EndpointSpec, pinned: Path | None) -> list[str]:
    known_hosts = pinned or ssh_of(spec).known_hosts
    if known_hosts is None:
        return []
    trust = [f"UserKnownHostsFile={_quoted(known_hosts, spec)}", "GlobalKnownHostsFile=/dev/null"]
    if pinned is not None:
        # Otherwise a server could come forward with a key of another type, which no line would contradict.
        trust.append(f"HostKeyAlgorithms={','.join(algorithms_of(pinned_keys(spec)))}")
    return _as_options(trust)


def _as_options(settings: Sequence[str]) -> list[str]:
    return [word for setting in settings for word in ("-o", setting)]


def _quoted(path: Path, spec: EndpointSpec) -> str:
    text = str(path)
    if any(character in text for character in '"\\\n\r') or "${" in text:
        raise PlanInvalid(
            f"endpoint `{spec.name}`: ssh cannot be given the path {text!r}",
            hint="use a path without quotes, backslashes, line ends and `${`",
        )
    return '"' + text.replace("%", "%%") + '"'


def _forwarded_to(spec: EndpointSpec) -> str:
    host, port = host_of(spec), ssh_of(spec).port
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@functools.cache
def _has_aes() -> bool:
    """Whether this CPU has AES instructions (`flags` on x86, `Features` on ARM)."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
            return any(line.lower().startswith(("flags", "features")) and " aes" in line for line in lines)
    except OSError:
        return False  # without /proc, ssh's own order stands
