"""The shape of `checks`: each kind of smoke test."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from migrator.domain.plan import DEFAULT_TIMEOUT_SECONDS
from migrator.planfile.effect_shapes import ON, ONE_KEY, Place, Status, Url
from migrator.planfile.fields import Argv, Reads, Text, Timeout, as_text, wrong
from migrator.planfile.mapping import Mapping, Short
from migrator.planfile.remarks import quoted

_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]|(?P<host>[A-Za-z0-9._-]{1,253})):(?P<port>[0-9]{1,5})")
_WHEN = "When it is made: `before` the first switch, `after` the last one, or `always`, which is both."
_TIMEOUT = "How long it is tried again until it holds; then it has failed."


def host_and_port(text: str) -> tuple[str, int]:
    """The two parts of `host:port` or `[address]:port`; ValueError when it is neither."""
    match = _ADDRESS.fullmatch(text)
    if match is None or not 1 <= int(match["port"]) <= 65535:
        raise ValueError(text)
    return match["host"] or match["v6"], int(match["port"])


def _as_address(value: object) -> str:
    text = as_text(value)
    try:
        host_and_port(text)
    except ValueError as error:
        hint = "for instance `10.18.0.7:5432`, or `[2001:db8::7]:5432`"
        raise wrong(f"must be a host and a port, not {quoted(text)}", hint) from error
    return text


Address = Annotated[str, Reads(_as_address, {"type": "string", "pattern": "^.+:[0-9]+$"})]
When = Literal["before", "after", "always"]


class HttpCheck(Mapping):
    """An address that must answer as expected. No redirect is followed."""

    url: Url = Field(description="Address, without a password.")
    status: Status = Field(default=200, description="The status that is expected.")
    contains: Text | None = Field(default=None, description="Text that the answer must hold, in its first MiB.")
    when: When = Field(default="always", description=_WHEN)
    timeout: Timeout = Field(default=DEFAULT_TIMEOUT_SECONDS, description=_TIMEOUT)


class SameOutput(Mapping):
    """A command that must print the same at the source and at the target, 64 KiB at most, and exit 0 on both sides."""

    command: Argv = Field(description="The command, run on both sides. An argument list; no shell reads it.")
    when: When = Field(default="always", description=_WHEN)
    timeout: Timeout = Field(default=DEFAULT_TIMEOUT_SECONDS, description=_TIMEOUT)


class TcpCheck(Mapping):
    """A port that must take connections from this machine."""

    address: Address = Field(description="Host and port, `host:port`.")
    when: When = Field(default="always", description=_WHEN)
    timeout: Timeout = Field(default=DEFAULT_TIMEOUT_SECONDS, description=_TIMEOUT)


class CommandCheck(Mapping):
    """A command that must exit 0."""

    on: Place = Field(default="target", description=ON)
    argv: Argv = Field(description="The command. An argument list; no shell reads it.")
    when: When = Field(default="always", description=_WHEN)
    timeout: Timeout = Field(default=DEFAULT_TIMEOUT_SECONDS, description=_TIMEOUT)


class CheckShape(Mapping):
    """A smoke test, made before and after the switch; exactly one of these keys."""

    model_config = ConfigDict(json_schema_extra=ONE_KEY)

    http: HttpCheck | None = Field(default=None, description="Ask an HTTP address.")
    same_output: Annotated[SameOutput, Short("command")] | None = Field(
        default=None, description="Compare what a command prints on both sides: an argument list, or a mapping."
    )
    tcp: Annotated[TcpCheck, Short("address")] | None = Field(
        default=None, description="Connect to a port: `host:port`, or a mapping."
    )
    command: Annotated[CommandCheck, Short("argv")] | None = Field(
        default=None, description="Run a command that must exit 0: an argument list, run at the target, or a mapping."
    )
