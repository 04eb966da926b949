"""The shape of what acts on applications: `freeze`, `checks`, and each kind of `switch`."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from migrator.domain.plan import DEFAULT_TIMEOUT_SECONDS
from migrator.planfile.dns_shape import DnsShape
from migrator.planfile.fields import AbsolutePath, Argv, File, Reads, Text, Timeout, as_text, whole_number, wrong
from migrator.planfile.mapping import Mapping, Short
from migrator.planfile.remarks import quoted

Place = Literal["source", "target", "here"]
_APPLY = "Command that brings the effect about. An argument list; no shell reads it."
_PROBE = "Command that exits 0 when the effect is in place and 1 when it is not; anything else stops for a human."
_UNDO = "Command that takes the effect back."
_ON = "Where it happens: at the `source`, at the `target`, or `here`, where migrator runs."
_TIMEOUT = "How long each command may take."
_ONE_KEY: JsonDict = {"minProperties": 1, "maxProperties": 1}


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


Url = Annotated[str, Reads(_as_url, {"type": "string", "pattern": "^https?://[^@ ]+$"})]
Status = Annotated[int, whole_number(100, 599)]


class FreezeShape(Mapping):
    """How writes at the source are stopped, how that is known, and how they are allowed again."""

    on: Place = Field(default="source", description=_ON)
    apply: Argv = Field(description=_APPLY)
    probe: Argv = Field(description=_PROBE)
    undo: Argv = Field(description=_UNDO)
    timeout: Timeout = Field(default=DEFAULT_TIMEOUT_SECONDS, description=_TIMEOUT)


class CommandSwitch(Mapping):
    """A switch of the operator's own making."""

    on: Place = Field(description=_ON)
    apply: Argv = Field(description=_APPLY)
    probe: Argv = Field(description=_PROBE)
    undo: Argv = Field(description=_UNDO)
    timeout: Timeout = Field(default=DEFAULT_TIMEOUT_SECONDS, description=_TIMEOUT)


class SymlinkShape(Mapping):
    """A symbolic link that is pointed elsewhere in one atomic step."""

    on: Place = Field(default="target", description=_ON)
    link: AbsolutePath = Field(description="The link; it may be missing before, and must be nothing else than a link.")
    to: AbsolutePath = Field(description="What it points to after the switch.")
    timeout: Timeout = Field(default=DEFAULT_TIMEOUT_SECONDS, description=_TIMEOUT)


class HaproxySwitch(Mapping):
    """Traffic of a backend is moved from one server to another by HAProxy's runtime socket."""

    on: Place = Field(default="target", description=_ON)
    socket: AbsolutePath = Field(description="HAProxy's runtime socket, at the level `admin`.")
    backend: Text = Field(description="The backend.")
    from_server: Text = Field(alias="from", description="The server that is drained.")
    to_server: Text = Field(alias="to", description="The server that takes over.")
    timeout: Timeout = Field(default=DEFAULT_TIMEOUT_SECONDS, description=_TIMEOUT)


class HttpCall(Mapping):
    """One request, and what its answer must be."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = Field(default="GET", description="Method.")
    url: Url = Field(description="Address, without a password.")
    body: str | None = Field(default=None, description="What is sent.")
    status: Status = Field(default=200, description="The status that means yes.")


class HttpSwitch(Mapping):
    """A switch that an HTTP interface carries out."""

    apply: HttpCall = Field(description="Request that switches over.")
    probe: HttpCall = Field(description="Request whose answer has its status when the switch is in place.")
    undo: HttpCall = Field(description="Request that switches back.")
    token_file: File | None = Field(
        default=None, description="File with the bearer token; the token itself never stands here."
    )
    timeout: Timeout = Field(default=DEFAULT_TIMEOUT_SECONDS, description="How long each request may take.")


class SwitchShape(Mapping):
    """One act that sends users to the target; exactly one of these keys. Undone in reverse order."""

    model_config = ConfigDict(json_schema_extra=_ONE_KEY)

    symlink: SymlinkShape | None = Field(default=None, description="Point a symbolic link elsewhere.")
    command: CommandSwitch | None = Field(default=None, description="Run a command.")
    dns: DnsShape | None = Field(default=None, description="Change a DNS record.")
    haproxy: HaproxySwitch | None = Field(default=None, description="Move traffic inside HAProxy.")
    http: HttpSwitch | None = Field(default=None, description="Call an HTTP interface.")


class HttpCheck(Mapping):
    """A request that must be answered as expected."""

    url: Url = Field(description="Address, without a password.")
    status: Status = Field(default=200, description="The status that is expected.")
    contains: Text | None = Field(default=None, description="Text that the answer must hold.")
    timeout: Timeout = Field(default=DEFAULT_TIMEOUT_SECONDS, description="How long the answer may take.")


class SameOutput(Mapping):
    """A command whose output must be the same at the source and at the target."""

    command: Argv = Field(description="The command, run on both sides. An argument list; no shell reads it.")
    timeout: Timeout = Field(default=DEFAULT_TIMEOUT_SECONDS, description="How long it may take on each side.")


class CheckShape(Mapping):
    """A smoke test, made before and after the switch; exactly one of these keys."""

    model_config = ConfigDict(json_schema_extra=_ONE_KEY)

    http: HttpCheck | None = Field(default=None, description="Ask an HTTP address.")
    same_output: Annotated[SameOutput, Short("command")] | None = Field(
        default=None, description="Compare what a command prints on both sides: an argument list, or a mapping."
    )
