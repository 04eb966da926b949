"""The plan as objects: frozen once loaded, known by its digest. Built by `planfile`, read by everybody."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from migrator.domain.acts import Check, HaproxySwitch, HttpSwitch, OwnSwitch

Connector = Literal["auto", "openssh", "paramiko"]
Lane = Literal["auto", "agent", "sftp"]
Place = Literal["source", "target", "here"]
Argv = tuple[str, ...]

DEFAULT_TIMEOUT_SECONDS = 120.0


class _HasName(Protocol):
    @property
    def name(self) -> str: ...


Named = TypeVar("Named", bound=_HasName)


@dataclass(frozen=True, slots=True)
class Owner:
    """The organisation to which applications belong."""

    key: str
    name: str
    confidential: bool = False
    approvers: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Ssh:
    """How to reach a host by SSH: an `alias` of the user's ssh_config, or the fields of a mapping."""

    alias: str | None = None
    host: str | None = None
    port: int = 22
    user: str | None = None
    identity_file: Path | None = None
    host_keys: tuple[str, ...] = ()  # lines "type base64", pinned in the plan
    known_hosts: Path | None = None
    jump: str | None = None  # the name of another endpoint of the plan


@dataclass(frozen=True, slots=True)
class Limits:
    """What one endpoint bears, shared by everything that talks to it."""

    connections: int = 4
    bandwidth: int | None = None  # bytes a second


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """A host reached by one transport; `ssh` is None for this machine."""

    name: str
    ssh: Ssh | None = None
    connector: Connector = "auto"
    lane: Lane = "auto"
    limits: Limits = Limits()

    @property
    def is_local(self) -> bool:
        """Whether the endpoint is this machine."""
        return self.ssh is None

    @property
    def whereabouts(self) -> str:
        """The host behind it, the same for every endpoint that leads there in the same words."""
        if self.ssh is None:
            return "local"
        return self.ssh.alias or f"{self.ssh.host}:{self.ssh.port}"


@dataclass(frozen=True, slots=True)
class Location:
    """A root on an endpoint, as written `endpoint:/path`; a local relative path is already made absolute."""

    endpoint: str
    path: bytes

    def __str__(self) -> str:
        return f"{self.endpoint}:{self.path.decode('utf-8', 'backslashreplace')}"


@dataclass(frozen=True, slots=True)
class Dataset:
    """A tree of files that must arrive complete."""

    name: str
    source: Location
    target: Location
    exclude: tuple[str, ...] = ()  # gitignore rules
    keep: tuple[str, ...] | None = None  # None: mode and times, owner when root, and whatever the lane can carry
    symlinks: Literal["keep", "refuse"] = "keep"
    proof: Literal["stat", "hash"] | None = None  # None: what the lane of the source calls for
    max_deletions: float = 0.5  # the share of the target's items one final sync may delete, 0 to 1


@dataclass(frozen=True, slots=True)
class Triple:
    """An effect as commands: apply it, probe whether it is in place, undo it. Argument lists, never shell strings."""

    on: Place
    apply: Argv
    probe: Argv
    undo: Argv
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class SymlinkSwitch:
    """Point `link` at `to`, in one atomic step."""

    on: Place
    link: bytes
    to: bytes
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class NameServer:
    """Where a name server listens: a host or address, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class DnsSwitch:
    """Let the record `name` of `zone` say `value` and nothing else, by an update at `server` (RFC 2136)."""

    server: NameServer
    zone: str  # without a dot at its end
    name: str  # within the zone; `@` is the zone itself
    type: Literal["A", "AAAA", "CNAME", "TXT"]
    value: str
    ttl_seconds: int
    key_file: Path | None  # what `tsig-keygen` writes; None: the update is not signed
    servers: tuple[NameServer, ...]  # all must give the value, `server` among them
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class Waiver:
    """An item that, with all that is below it, may stay behind unverified."""

    dataset: str
    path: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class AcceptedFinding:
    """A preflight rule whose warnings are known and accepted."""

    rule: str
    reason: str


Switch = Triple | SymlinkSwitch | DnsSwitch | HaproxySwitch | HttpSwitch | OwnSwitch


@dataclass(frozen=True, slots=True)
class FallBack:
    """What falling back may do after the switch, and with what."""

    source_write: bool = False
    endpoint: str | None = None  # by which the sources are written; None: by the one they are read by
    freeze: Triple | None = None  # stops writes at the target, from the last copy back to the next switch


@dataclass(frozen=True, slots=True)
class Application:
    """What people recognise and what is switched over as one."""

    name: str
    owner: str
    datasets: tuple[Dataset, ...]
    needs: tuple[str, ...] = ()
    freeze: Triple | None = None
    checks: tuple[Check, ...] = ()
    switches: tuple[Switch, ...] = ()
    soak: dt.timedelta = dt.timedelta(0)
    verify_under_freeze: Literal["all", "changed"] = "all"
    approval: Literal["standing", "exact"] = "standing"
    two_person: bool = False
    on_failure: Literal["go_back", "hold"] = "hold"
    gates: tuple[str, ...] = ()  # gates the plan adds before switch-over, in the order in which they open
    fall_back: FallBack = FallBack()
    waivers: tuple[Waiver, ...] = ()
    accepted_findings: tuple[AcceptedFinding, ...] = ()

    def waived_in(self, dataset: str) -> dict[bytes, str]:
        """The paths of a dataset that are waived, each with the reason."""
        return {waiver.path: waiver.reason for waiver in self.waivers if waiver.dataset == dataset}


@dataclass(frozen=True, slots=True)
class Cutover:
    """When a wave may be cut over: the days on which the hours begin, and the hours."""

    days: frozenset[int]  # 0 is Monday
    start: dt.time
    end: dt.time  # on the next day when not after `start`


@dataclass(frozen=True, slots=True)
class Wave:
    """What moves in one calendar window."""

    name: str
    applications: tuple[Application, ...]
    first_day: dt.date | None = None
    last_day: dt.date | None = None  # inclusive
    cutover: Cutover | None = None
    needs: tuple[str, ...] = ()
    parallel: int = 4
    accepted_findings: tuple[AcceptedFinding, ...] = ()

    def application(self, name: str) -> Application:
        """The application of that name; KeyError when the wave has none."""
        return next_named(self.applications, name)


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """A bandwidth limit for hours of some days."""

    days: frozenset[int]
    start: dt.time
    end: dt.time
    limit: int  # bytes a second


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days without cutover, and the bandwidth timetable."""

    closed: tuple[dt.date, ...] = ()
    bandwidth: tuple[Bandwidth, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole agreement; `digest` is taken over its parsed content, so comments and layout do not count."""

    path: Path
    migration: str
    timezone: str
    owners: tuple[Owner, ...]
    endpoints: tuple[EndpointSpec, ...]
    waves: tuple[Wave, ...]
    calendar: Calendar
    digest: str  # hexadecimal SHA-256
    content: str = field(repr=False)  # the canonical JSON the digest was taken over
    accepted_findings: tuple[AcceptedFinding, ...] = ()

    def endpoint(self, name: str) -> EndpointSpec:
        """The endpoint of that name; KeyError when the plan has none."""
        return next_named(self.endpoints, name)

    def wave(self, name: str) -> Wave:
        """The wave of that name; KeyError when the plan has none."""
        return next_named(self.waves, name)

    def wave_of(self, application: str) -> Wave:
        """The wave in which `application` moves; KeyError when the plan has no such application."""
        for wave in self.waves:
            if any(each.name == application for each in wave.applications):
                return wave
        raise KeyError(application)

    def reason_to_accept(self, rule: str, application: str | None) -> str | None:
        """Why warnings of `rule` about `application` are accepted, by it, its wave or the plan; None when they are not.

        Without an application only the plan's own word counts. The nearest reason is given.
        """
        levels = [self.accepted_findings]
        if application is not None:
            wave = self.wave_of(application)
            levels = [wave.application(application).accepted_findings, wave.accepted_findings, *levels]
        return next((each.reason for level in levels for each in level if each.rule == rule), None)

    @property
    def added_gates(self) -> tuple[str, ...]:
        """The names of the gates that the plan adds, each once."""
        return tuple(dict.fromkeys(gate for application in self.applications for gate in application.gates))

    @property
    def applications(self) -> tuple[Application, ...]:
        """All applications, wave by wave, in the order of the plan."""
        return tuple(application for wave in self.waves for application in wave.applications)


def next_named(things: tuple[Named, ...], name: str) -> Named:
    """The thing whose `name` is `name`."""
    for thing in things:
        if thing.name == name:
            return thing
    raise KeyError(name)
