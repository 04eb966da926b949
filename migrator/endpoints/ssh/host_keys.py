"""Host keys pinned in the plan: their types, the algorithms they allow, and known_hosts lines that carry them."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import NamedTuple

from migrator.domain.plan import EndpointSpec
from migrator.endpoints.ssh.route import ssh_of
from migrator.errors import PlanInvalid

# What a pinned key type lets a server sign with; SHA-1 signatures of RSA keys are left out on purpose.
_ALGORITHMS = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
    "sk-ssh-ed25519@openssh.com": ("sk-ssh-ed25519@openssh.com",),
    "sk-ecdsa-sha2-nistp256@openssh.com": ("sk-ecdsa-sha2-nistp256@openssh.com",),
}


class HostKey(NamedTuple):
    """A public host key: `type` as in the key itself, `blob` its wire form (RFC 4253, section 6.6)."""

    type: str
    blob: bytes

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The signature algorithms a server with this key may use."""
        return _ALGORITHMS[self.type]

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def __str__(self) -> str:
        return f"{self.type} {base64.b64encode(self.blob).decode()}"


def parse_host_key(line: str) -> HostKey | None:
    """The key of a `type base64 [comment]` line; None when it is not one, or of a type no longer fit for use."""
    words = line.split()
    if len(words) < 2 or words[0] not in _ALGORITHMS:
        return None
    try:
        blob = base64.b64decode(words[1], validate=True)
    except binascii.Error:
        return None
    named = words[0].encode()
    if blob[:4] != len(named).to_bytes(4, "big") or blob[4 : 4 + len(named)] != named:
        return None
    return HostKey(words[0], blob)


def pinned_keys(spec: EndpointSpec) -> tuple[HostKey, ...]:
    """The keys the plan pins for `spec`; PlanInvalid when one of them cannot be read."""
    keys = []
    for line in ssh_of(spec).host_keys:
        key = parse_host_key(line)
        if key is None:
            raise PlanInvalid(
                f"endpoint `{spec.name}`: {line!r} is not a host key that can be pinned",
                hint="write it as `ssh-ed25519 AAAA...`, as ssh-keyscan prints it after the host",
            )
        keys.append(key)
    return tuple(keys)


def algorithms_of(keys: tuple[HostKey, ...]) -> tuple[str, ...]:
    """The signature algorithms of all `keys`, in their order, each once."""
    return tuple(dict.fromkeys(algorithm for key in keys for algorithm in key.algorithms))


def known_hosts_name(host: str, port: int) -> str:
    """How known_hosts calls a server: the host alone on port 22, else `[host]:port`."""
    return host if port == 22 else f"[{host}]:{port}"


def known_hosts_lines(host: str, port: int, keys: tuple[HostKey, ...]) -> str:
    """A known_hosts file that trusts exactly `keys` for that server."""
    return "".join(f"{known_hosts_name(host, port)} {key}\n" for key in keys)
