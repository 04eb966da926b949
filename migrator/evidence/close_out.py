"""The close-out list of an application: what must end at the provider, what is left where, and until when."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from migrator.domain.acts import HttpSwitch
from migrator.domain.plan import Application, DnsSwitch, EndpointSpec, Plan
from migrator.journal.history import Attestation

_UNTIL_ERASED = "to be erased now; the provider's attestation ends it"
_UNKNOWN = "unknown: ask the provider for the date on which the last one is gone"
_FOR_GOOD = "none: this is the truth now"
_RECORD = "as long as the record of the migration is kept; it holds names and digests, and no content"


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at the source of a dataset found."""

    dataset: str
    source: str
    is_empty: bool
    sentence: str  # "empty", "holds 12 entries", "refuses the login"


@dataclass(frozen=True, slots=True)
class Account:
    """A login at a host of the source that is needed no more, and what opened it."""

    endpoint: str
    login: str  # "export@web.legacy.example:22", or an alias of ~/.ssh/config
    key: str
    host_keys: tuple[str, ...]  # fingerprints as OpenSSH shows them
    still_used_by: tuple[str, ...]  # other applications of the same owner
    is_shared: bool  # with applications of other owners, who are not named here


@dataclass(frozen=True, slots=True)
class Copy:
    """A place where content or names of the application lie, and when that ends."""

    what: str
    where: str
    expires: str


@dataclass(frozen=True, slots=True)
class CloseOut:
    """Everything that is to be settled before the source of an application is history."""

    migration: str
    application: str
    owner: str
    plan_digest: str
    accepted_at: dt.datetime | None
    made_at: dt.datetime
    found: tuple[Found, ...]
    accounts: tuple[Account, ...]
    keys: tuple[str, ...]  # further secrets that the cutover used
    copies: tuple[Copy, ...]
    attestations: tuple[Attestation, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found at the source any more."""
        return all(each.is_empty for each in self.found)


def accounts(plan: Plan, application: Application) -> Iterator[Account]:
    """The logins at the hosts from which the application came, the hosts on the way to them included."""
    for name in _source_hosts(plan, application):
        spec = plan.endpoint(name)
        if spec.ssh is None:
            continue
        users = [each for each in plan.applications if each is not application and name in _source_hosts(plan, each)]
        yield Account(
            name,
            _login(spec),
            str(spec.ssh.identity_file) if spec.ssh.identity_file else "whichever key ssh-agent or ~/.ssh offered",
            tuple(_fingerprint(line) for line in spec.ssh.host_keys),
            tuple(each.name for each in users if each.owner == application.owner),
            any(each.owner != application.owner for each in users),
        )


def keys(application: Application) -> Iterator[str]:
    """The files of keys and tokens that the switches used."""
    for switch in application.switches:
        if isinstance(switch, DnsSwitch) and switch.key_file is not None:
            yield f"TSIG key in {switch.key_file}, for the zone {switch.zone} at {switch.server}"
        if isinstance(switch, HttpSwitch) and switch.token_file is not None:
            yield f"token in {switch.token_file}, for {switch.apply.url}"


def copies(application: Application, state: str) -> Iterator[Copy]:
    """Where content and names of the application lie; `state` is the folder of the journal."""
    for dataset in application.datasets:
        yield Copy(f"source of `{dataset.name}`", str(dataset.source), _UNTIL_ERASED)
        yield Copy(f"backups and snapshots of `{dataset.name}`", "at the provider", _UNKNOWN)
        yield Copy(f"target of `{dataset.name}`", str(dataset.target), _FOR_GOOD)
    yield Copy("record of the migration", state, _RECORD)


def request_text(close_out: CloseOut) -> str:
    """The request to the provider to erase what it still holds, ready to be sent."""
    places = "\n".join(f"- {each.source}" for each in close_out.found)
    logins = "\n".join(f"- {each.login}" for each in close_out.accounts) or "- none"
    return (
        f"Subject: erasure of the data of {close_out.application} ({close_out.owner})\n\n"
        f"The application {close_out.application} has left your premises for good. We ask you to erase all data of it, "
        "in its places:\n\n"
        f"{places}\n\n"
        "and in every backup, snapshot, replica and log that holds any of it, and to close these accounts as far as "
        "nothing else needs them:\n\n"
        f"{logins}\n\n"
        "Please attest in writing, signed: what was erased where, by which method, on which day, and on which day the "
        "last backup that holds any of it will be gone.\n"
    )


def as_json(close_out: CloseOut) -> dict[str, Any]:
    """The list for programs."""
    return {
        "migration": close_out.migration,
        "application": close_out.application,
        "owner": close_out.owner,
        "plan_digest": close_out.plan_digest,
        "accepted_at": _moment(close_out.accepted_at),
        "made_at": _moment(close_out.made_at),
        "source_is_empty": close_out.is_empty,
        "sources": [
            {"dataset": each.dataset, "source": each.source, "is_empty": each.is_empty, "found": each.sentence}
            for each in close_out.found
        ],
        "accounts": [
            {
                "endpoint": each.endpoint,
                "login": each.login,
                "key": each.key,
                "host_keys": list(each.host_keys),
                "still_used_by": list(each.still_used_by),
                "is_shared": each.is_shared,
            }
            for each in close_out.accounts
        ],
        "keys": list(close_out.keys),
        "copies": [{"what": each.what, "where": each.where, "expires": each.expires} for each in close_out.copies],
        "erasure_request": request_text(close_out),
        "attestations": [
            {
                "name": each.name,
                "sha256": each.sha256,
                "size_bytes": each.size_bytes,
                "recorded_by": each.recorded_by,
                "recorded_at": _moment(each.recorded_at),
            }
            for each in close_out.attestations
        ],
    }


def _source_hosts(plan: Plan, application: Application) -> tuple[str, ...]:
    """The endpoints of its sources, each followed by those through which it is reached."""
    found: dict[str, None] = {}
    for dataset in application.datasets:
        name: str | None = dataset.source.endpoint
        while name is not None and name not in found:
            found[name] = None
            ssh = plan.endpoint(name).ssh
            name = ssh.jump if ssh is not None else None
    return tuple(found)


def _login(spec: EndpointSpec) -> str:
    assert spec.ssh is not None
    if spec.ssh.alias is not None:
        return f"the alias {spec.ssh.alias} of ~/.ssh/config"
    user = f"{spec.ssh.user}@" if spec.ssh.user else ""
    return f"{user}{spec.ssh.host}:{spec.ssh.port}"


def _fingerprint(line: str) -> str:
    """As `ssh-keygen -l` shows it: SHA-256 over the key's blob, in base64 without padding."""
    kind, _, blob = line.partition(" ")
    digest = hashlib.sha256(base64.b64decode(blob.partition(" ")[0])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')} ({kind})"


def _moment(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(dt.UTC).isoformat(timespec="seconds")
