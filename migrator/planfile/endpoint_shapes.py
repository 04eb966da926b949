"""The shape of `endpoints`: how each host is reached, and what it bears."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Literal

from pydantic import Field

from migrator.planfile.fields import File, Flag, Name, Rate, Reads, as_text, whole_number, wrong
from migrator.planfile.mapping import Mapping, Short
from migrator.planfile.remarks import quoted

_HOST = re.compile(r"[A-Za-z0-9_.:%\[\]-]{1,255}")
_ALIAS = re.compile(r"[A-Za-z0-9_.:%@+\[\]-]{1,255}")
_USER = re.compile(r"[A-Za-z0-9_.@+$-]{1,100}")


def _word(kind: str, shape: re.Pattern[str]) -> Reads:
    def convert(value: object) -> str:
        text = as_text(value)
        if text.startswith("-"):
            raise wrong(f"must not begin with `-`, which ssh takes for an option: {quoted(text)}", f"write {kind}")
        if not shape.fullmatch(text):
            raise wrong(f"must be {kind}, not {quoted(text)}", "letters, digits, dots and dashes, nothing else")
        return text

    return Reads(convert, {"type": "string", "pattern": f"^(?!-){shape.pattern}$"})


def _as_host_key(value: object) -> str:
    """The type and base64 of a line of known_hosts (sshd(8)), without host and comment."""
    text = as_text(value)
    hint = "take it from `ssh-keyscan` after comparing its fingerprint, as `ssh-ed25519 AAAA...`"
    words = text.split()
    if len(words) < 2:
        raise wrong(f"must be a public host key, its type and its text, not {quoted(text)}", hint)
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError) as error:
        raise wrong(f"must be a public host key, and {quoted(words[1])} is not base64", hint) from error
    # RFC 4253, 6.6: the text begins with the type again, led by its length.
    kind = words[0].encode()
    if len(blob) < 36 or blob[: 4 + len(kind)] != len(kind).to_bytes(4, "big") + kind:
        raise wrong(f"must be a public host key, and this one is cut or not of type {quoted(words[0])}", hint)
    return f"{words[0]} {words[1]}"


Host = Annotated[str, _word("a host name or address", _HOST)]
Alias = Annotated[str, _word("an alias of ~/.ssh/config", _ALIAS)]
User = Annotated[str, _word("a user name", _USER)]
HostKey = Annotated[str, Reads(_as_host_key, {"type": "string", "pattern": "^[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?$"})]
Port = Annotated[int, whole_number(1, 65535)]
Connections = Annotated[
    int, whole_number(2, 64, "one connection lists the files while the others carry them, so that it takes two")
]


class SshShape(Mapping):
    """How to reach a host by SSH: an alias, or a host with what it needs. Host keys are always checked strictly."""

    alias: Alias | None = Field(default=None, description="An alias of ~/.ssh/config; then nothing else stands here.")
    host: Host | None = Field(default=None, description="Name or address of the host.")
    port: Port = Field(default=22, description="Port of the SSH server.")
    user: User | None = Field(
        default=None, description="Account to log in with; without it, the account migrator runs as."
    )
    identity_file: File | None = Field(
        default=None, description="Private key; without it, ssh-agent and the usual keys are tried."
    )
    host_keys: list[HostKey] = Field(
        default=[],
        description="The host's public keys, pinned: no other key is accepted. Each is a type and its base64 text.",
    )
    known_hosts: File | None = Field(
        default=None, description="A known_hosts file to check against; without it and `host_keys`, the user's own."
    )
    jump: Name | None = Field(
        default=None, description="Another endpoint of this plan through which the host is reached."
    )


class LimitsShape(Mapping):
    """What one endpoint bears, shared by everything that talks to it."""

    connections: Connections = Field(default=4, description="SSH connections at a time, at least 2.")
    bandwidth: Rate | None = Field(
        default=None, description="The most that is read and written there, such as `50 MB/s`."
    )


class EndpointShape(Mapping):
    """A host reached by one transport: either `ssh` or `local: true`."""

    ssh: Annotated[SshShape, Short("alias")] | None = Field(
        default=None, description="How to reach the host: an alias of ~/.ssh/config, or a mapping."
    )
    local: Flag = Field(default=False, description="`true`: the endpoint is this machine.")
    connector: Literal["auto", "openssh", "paramiko"] = Field(
        default="auto", description="What speaks SSH; `auto` takes OpenSSH's client where there is one."
    )
    lane: Literal["auto", "agent", "sftp"] = Field(
        default="auto",
        description="How bytes move. `agent` needs a shell and python3 there; `auto` takes it where it answers, "
        "else `sftp`, which needs nothing but SFTP and runs no command there.",
    )
    limits: LimitsShape = Field(default=LimitsShape(), description="What the endpoint bears.")
