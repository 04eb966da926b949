"""The shape of what acts on applications: `freeze`, and each kind of `switch`."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from migrator.domain.plan import DEFAULT_TIMEOUT_SECONDS
from migrator.planfile.dns_shape import DnsShape
from migrator.planfile.fields import AbsolutePath, Argv, File, Reads, Timeout, as_text, whole_number, wrong
from migrator.planfile.mapping import Mapping
from migrator.planfile.remarks import quoted

Place = Literal["source", "target", "here"]
_APPLY = "Command that brings the effect about. An argument list; no shell reads it."
_PROBE = "Command that exits 0 when the effect is in place and 1 when it is not; anything else stops for a human."
_UNDO = "Command that takes the effect back."
ON = "Where it happens: at the `source`, at the `target`, or `here`, where migrator runs."
_TIMEOUT = "How long each command may take."
_HAPROXY_NAME = re.compile("[A-Za-z0-9._:-]{1,200}")
ONE_KEY: JsonDict = {"minProperties": 1, "maxProperties": 1}


def _as_url(value: object) -> str:
    text = as_text(value)
    hint = "for instance `http://dc18-web/health`"
    try:
        parts = urlsplit(text)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise wrong(f"must be a URL, not {quoted(text)}", hint) from error
    if parts.scheme not in {"http", "https"} or not has_host or any(character.isspace() for character in text):
        raise wrong(f"must be a URL of http or https, not {quoted(text)}", hint)
    if "@" in parts.netloc:
        raise wrong("must not hold a user name or password", "no secret stands in a plan; say where to find it")
    return text


def _as_haproxy_name(value: object) -> str:
    """What HAProxy itself allows in a name: so nothing in it can end a command on the socket and begin another."""
    text = as_text(value)
    if not _HAPROXY_NAME.fullmatch(text):
        raise wrong(
            f"must be a name as HAProxy has them, not {quoted(text)}", "letters, digits, and any of `.`, `_`, `:`, `-`"
        )
    return text


Url = Annotated[str, Reads(_as_url, {"type": "string", "pattern": "^https?://[^@ ]+$"})]
Status = Annotated[int, whole_number(100, 599)]
HaproxyName = Annotated[str, Reads(_as_haproxy_name, {"type": "string", "pattern": "^[A-Za-z0-9._:-]+$"})]


class FreezeShape(Mapping):
    """How writes at the source are stopped, how that is known, and how they are allowed again."""

    on: Place = Field(default="source", description=ON)
    apply: Argv = Field(description=_APPLY)
    probe: Argv = Field(description=_PROBE)
    undo: Argv = Field(description=_UNDO)
    timeout: Timeout = Field(default=DEFAULT_TIMEOUT_SECONDS, description=_TIMEOUT)


class TargetFreezeShape(Mapping):
    """How writes at the target are stopped while falling back; undone at the next switch-over."""

    on: Place = Field(default="target", description=ON)
    apply: Argv = Field(description=_APPLY)
    probe: Argv = Field(description=_PROBE)
    undo: Argv = Field(description=_UNDO)
    timeout: Timeout = Field(default=DEFAULT_TIMEOUT_SECONDS, description=_TIMEOUT)


class CommandSwitch(Mapping):
    """A switch of the operator's own making."""

    on: Place = Field(description=ON)
    apply: Argv = Field(description=_APPLY)
    probe: Argv = Field(description=_PROBE)
    undo: Argv = Field(description=_UNDO)
    timeout: Timeout = Field(default=DEFAULT_TIMEOUT_SECONDS, description=_TIMEOUT)


class SymlinkShape(Mapping):
    """A symbolic link that is pointed elsewhere in one atomic step."""

    on: Place = Field(default="target", description=ON)
    link: AbsolutePath = Field(description="The link; it may be missing before, and must be nothing else than a link.")
    to: AbsolutePath = Field(description="What it points to after the switch.")
    timeout: Timeout = Field(default=DEFAULT_TIMEOUT_SECONDS, description=_TIMEOUT)


class HaproxySwitch(Mapping):
    """Traffic of a backend is moved from one server to another by HAProxy's runtime socket."""

    on: Place = Field(default="target", description=ON)
    socket: AbsolutePath = Field(description="HAProxy's runtime socket, at the level `admin`.")
    backend: HaproxyName = Field(description="The backend.")
    from_server: HaproxyName = Field(alias="from", description="The server that is drained.")
    to_server: HaproxyName = Field(alias="to", description="The server that takes over; not in use before.")
    timeout: Timeout = Field(
        default=DEFAULT_TIMEOUT_SECONDS,
        description="How long the new server may take to be up, and then the sessions of the old one to end.",
    )

    @model_validator(mode="after")
    def _has_two_servers(self) -> Self:
        if self.from_server == self.to_server:
            raise wrong(f"has {quoted(self.to_server)} twice", "`from` is the server in use before, `to` the one after")
        return self


class HttpCall(Mapping):
    """One request, and what its answer must be."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = Field(default="GET", description="Method.")
    url: Url = Field(description="Address, without a password.")
    body: str | None = Field(default=None, description="What is sent.")
    status: Status = Field(default=200, description="The status that means yes.")


class HttpSwitch(Mapping):
    """A switch that an HTTP interface carries out."""

    apply: HttpCall = Field(description="Request that switches over.")
    probe: HttpCall = Field(
        description="Request whose answer has its status when the switch is in place. Another answer means that it is "
        "not, except redirects, 401, 403, 407, 408, 425, 429 and 5xx, which say nothing about it."
    )
    undo: HttpCall = Field(description="Request that switches back.")
    token_file: File | None = Field(
        default=None, description="File with the bearer token; the token itself never stands here."
    )
    timeout: Timeout = Field(default=DEFAULT_TIMEOUT_SECONDS, description="How long each request may take.")


class SwitchShape(Mapping):
    """One act that sends users to the target; exactly one of these keys, or a kind that another package brings.

    Undone in reverse order.
    """

    # Other packages' kinds are let through here, and looked up by the rules of `own_kinds`.
    model_config = ConfigDict(extra="allow", json_schema_extra={**ONE_KEY, "additionalProperties": {"type": "object"}})

    symlink: SymlinkShape | None = Field(default=None, description="Point a symbolic link elsewhere.")
    command: CommandSwitch | None = Field(default=None, description="Run a command.")
    dns: DnsShape | None = Field(default=None, description="Change a DNS record.")
    haproxy: HaproxySwitch | None = Field(default=None, description="Move traffic inside HAProxy.")
    http: HttpSwitch | None = Field(default=None, description="Call an HTTP interface.")
