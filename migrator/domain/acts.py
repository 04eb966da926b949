"""Switches and smoke checks that need more than commands and links, as the plan has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

# How the journal and people know the freeze of an application among its effects.
FREEZE = "freeze"

When = Literal["before", "after", "always"]


@dataclass(frozen=True, slots=True)
class HaproxySwitch:
    """Let the server `to_server` of an HAProxy backend take the traffic, and drain `from_server`."""

    on: Literal["source", "target", "here"]
    socket: str  # the absolute path of the runtime socket
    backend: str
    from_server: str
    to_server: str
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class HttpCall:
    """One request, and the status that means yes."""

    method: str
    url: str
    body: str | None = None
    status: int = 200


@dataclass(frozen=True, slots=True)
class HttpSwitch:
    """A switch that an HTTP interface carries out."""

    apply: HttpCall
    probe: HttpCall
    undo: HttpCall
    token_file: Path | None
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class OwnSwitch:
    """A switch of a kind that another package brings; its settings are text, lists and mappings as written."""

    kind: str
    settings: Mapping[str, Any] = field(hash=False)
    folder: Path  # of the plan, from which relative paths are taken
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """An address that must answer as expected, before the time is over."""

    url: str
    status: int
    contains: str | None
    when: When
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class SameOutput:
    """A command that must print the same at the source and at the target."""

    argv: tuple[str, ...]
    when: When
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class TcpCheck:
    """A port that must take connections from here."""

    host: str
    port: int
    when: When
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class CommandCheck:
    """A command that must exit 0."""

    on: Literal["source", "target", "here"]
    argv: tuple[str, ...]
    when: When
    timeout_seconds: float


Check = HttpCheck | SameOutput | TcpCheck | CommandCheck
