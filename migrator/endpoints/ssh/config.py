"""The user's SSH configuration, as OpenSSH's own tools answer for it: `ssh -G` and `ssh-keygen -F`."""

from __future__ import annotations

import getpass
import os
import re
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from migrator.domain.plan import EndpointSpec
from migrator.endpoints.ssh.failures import Failure, connection_error
from migrator.endpoints.ssh.host_keys import HostKey, known_hosts_name, parse_host_key, pinned_keys
from migrator.endpoints.ssh.route import host_of, ssh_of
from migrator.errors import PlanInvalid, Unreachable

# `Match exec` in the user's configuration may run anything.
_ANSWER_SECONDS = 10
_MOST_JUMPS = 8
_DEFAULT_IDENTITIES = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
_DEFAULT_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_GLOBAL_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_TOKEN = re.compile(r"%(.)|\$\{(\w+)\}")
_JUMP = re.compile(r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?P<host>\[[^\]]+\]|[^:]+)(?::(?P<port>\d+))?/?\Z")


@dataclass(frozen=True, slots=True)
class Host:
    """One hop with everything settled that is needed to connect, check its key and log in."""

    spec: EndpointSpec  # the endpoint it belongs to, for errors
    host: str
    port: int
    user: str
    identities: tuple[Path, ...]
    uses_only_identities: bool  # leave the other keys of ssh-agent alone
    pins: tuple[HostKey, ...]  # when there are any, nothing else is trusted
    known_as: str  # its name in known_hosts
    known_hosts: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Trust:
    """The host keys that are trusted for a host, and those that must never be."""

    keys: tuple[HostKey, ...]
    revoked: tuple[HostKey, ...] = ()


def settle(spec: EndpointSpec) -> tuple[Host, ...]:
    """The hops of one endpoint, first hop first: itself alone, or with the ProxyJump hosts of its alias before it."""
    if ssh_of(spec).alias is not None:
        return _settle_alias(spec, ("--", host_of(spec)), _MOST_JUMPS)
    ssh = ssh_of(spec)
    host = host_of(spec)
    known_hosts = (ssh.known_hosts,) if ssh.known_hosts else _expanded(_DEFAULT_KNOWN_HOSTS + _GLOBAL_KNOWN_HOSTS, {})
    return (
        Host(
            spec=spec,
            host=host,
            port=ssh.port,
            user=ssh.user or getpass.getuser(),
            identities=(ssh.identity_file,) if ssh.identity_file else _expanded(_DEFAULT_IDENTITIES, {}),
            uses_only_identities=ssh.identity_file is not None,
            pins=pinned_keys(spec),
            known_as=known_hosts_name(host, ssh.port),
            known_hosts=known_hosts,
        ),
    )


def look_up(host: Host) -> Trust:
    """The keys that the host's known_hosts files hold, `@revoked` ones apart, certificate authorities left out.

    Raises FileNotFoundError when there is no ssh-keygen.
    """
    keys: list[HostKey] = []
    revoked: list[HostKey] = []
    for file in host.known_hosts:
        if not file.is_file():
            continue
        command = ["ssh-keygen", "-F", host.known_as, "-f", str(file)]
        answer = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ANSWER_SECONDS, check=False
        )
        for line in answer.stdout.decode("utf-8", "replace").splitlines():
            marker, key = parse_known_hosts_line(line)
            if key is not None and marker in {"", "@revoked"}:
                (revoked if marker else keys).append(key)
    return Trust(tuple(keys), tuple(revoked))


def parse_known_hosts_line(line: str) -> tuple[str, HostKey | None]:
    """The marker (`@revoked`, `@cert-authority` or empty) and the key of one line; None for any other line."""
    words = line.split()
    if not words or words[0].startswith("#"):
        return "", None
    marker = words.pop(0) if words[0].startswith("@") else ""
    return marker, parse_host_key(" ".join(words[1:3]))


def _settle_alias(spec: EndpointSpec, destination: Sequence[str], jumps_left: int) -> tuple[Host, ...]:
    settings = _ask(spec, destination)
    if settings.get("proxycommand", ["none"])[0] != "none":
        raise Unreachable(
            f"endpoint `{spec.name}`: its ssh_config uses ProxyCommand, which `connector: paramiko` does not run",
            hint="write `connector: openssh`, or use ProxyJump or `jump`",
        )
    host, port, user = settings["hostname"][0], int(settings["port"][0]), settings["user"][0]
    tokens = {"h": host, "n": destination[-1], "p": str(port), "r": user}
    files = [word for name in ("user", "global") for word in settings.get(f"{name}knownhostsfile", [""])[0].split()]
    alone = Host(
        spec=spec,
        host=host,
        port=port,
        user=user,
        identities=_expanded(settings.get("identityfile", []), tokens),
        uses_only_identities=settings.get("identitiesonly", ["no"])[0] == "yes",
        pins=(),
        known_as=settings.get("hostkeyalias", [known_hosts_name(host, port)])[0],
        known_hosts=_expanded([file for file in files if file != "none"], tokens),
    )
    jump = settings.get("proxyjump", ["none"])[0]
    return (alone,) if jump == "none" else (*_settle_jumps(spec, jump, jumps_left - 1), alone)


def _settle_jumps(spec: EndpointSpec, jumps: str, jumps_left: int) -> tuple[Host, ...]:
    if jumps_left < 0:
        raise PlanInvalid(f"endpoint `{spec.name}`: the ProxyJump settings of its ssh_config lead in a circle")
    hosts: list[Host] = []
    for jump in jumps.split(","):
        parts = _JUMP.match(jump)
        if parts is None or jump.startswith("-"):
            raise PlanInvalid(f"endpoint `{spec.name}`: the ProxyJump {jump!r} of its ssh_config cannot be read")
        user = ("-l", parts["user"]) if parts["user"] else ()
        port = ("-p", parts["port"]) if parts["port"] else ()
        found = _settle_alias(spec, (*user, *port, "--", parts["host"].strip("[]")), jumps_left)
        # As ssh does: only the first of several jumps is reached by way of its own.
        hosts += found if not hosts else found[-1:]
    return tuple(hosts)


def _ask(spec: EndpointSpec, destination: Sequence[str]) -> dict[str, list[str]]:
    """The resolved settings for a destination: `ssh -G` prints `keyword value` lines, keywords in small letters."""
    try:
        answer = subprocess.run(
            ["ssh", "-G", *destination],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWER_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise Unreachable(
            f"endpoint `{spec.name}`: its ssh_config alias can only be read by the program `ssh`, which was not found",
            hint="install openssh-client, or write host, user and host_keys in the plan instead of the alias",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise connection_error(Failure.TIMED_OUT, spec, b"`ssh -G` did not answer") from error
    if answer.returncode != 0:
        raise connection_error(Failure.UNCLEAR, spec, answer.stderr.strip().rpartition(b"\n")[2])
    settings: dict[str, list[str]] = {}
    for line in answer.stdout.decode("utf-8", "surrogateescape").splitlines():
        keyword, _, value = line.partition(" ")
        settings.setdefault(keyword, []).append(value)
    return settings


def _expanded(files: Sequence[str], tokens: Mapping[str, str]) -> tuple[Path, ...]:
    """Paths as ssh reads them: `~`, `${NAME}` and the tokens of ssh_config(5) that concern a host."""
    home = str(Path.home())
    known = {"%": "%", "d": home, "u": getpass.getuser(), "i": str(os.getuid()), "l": socket.gethostname(), **tokens}

    def value(match: re.Match[str]) -> str:
        return known.get(match[1], match[0]) if match[1] else os.environ.get(match[2], "")

    return tuple(Path(_TOKEN.sub(value, file)).expanduser() for file in files)
