"""The preflight rules for `dns` switches: from what a record says now to findings. They decide and never act."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from migrator.domain.plan import DnsSwitch
from migrator.domain.reports import Finding

# What may still be called short: users who asked just before the switch keep the old value for so long.
_SHORT_TTL_SECONDS = 300
_LONGEST_VALUE = 120


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """What was found out about the record of one switch, without changing anything."""

    application: str
    switch: DnsSwitch
    values: tuple[str, ...]  # none when there is no such record
    ttl_seconds: int | None  # None when there is no such record
    is_in_place: bool
    is_key_open: bool


def examine_record(facts: RecordFacts) -> tuple[Finding, ...]:
    """Everything the rules have to say about one record, in the order of the rules."""
    return (*_change(facts), *_time_to_live(facts), *_open_key(facts))


def _change(facts: RecordFacts) -> Iterator[Finding]:
    switch = facts.switch
    new = _short(switch.value)
    if facts.is_in_place:
        now = f"says {new} already"
    elif facts.values:
        now = f"says {_short(', '.join(facts.values))} (TTL {facts.ttl_seconds} s), and will say {new}"
    else:
        now = f"does not exist, and will say {new}"
    yield Finding("dns-record", "note", f"{_record(switch)} {now}", None, facts.application)


def _time_to_live(facts: RecordFacts) -> Iterator[Finding]:
    most = min(facts.switch.ttl_seconds, _SHORT_TTL_SECONDS)
    if facts.is_in_place or facts.ttl_seconds is None or facts.ttl_seconds <= most:
        return
    yield Finding(
        "dns-ttl",
        "warning",
        f"{_record(facts.switch)} has a TTL of {facts.ttl_seconds} s: for so long after the switch some users still "
        "come to the source",
        f"lower it to {most} s, at least {facts.ttl_seconds} s before the cutover",
        facts.application,
    )


def _open_key(facts: RecordFacts) -> Iterator[Finding]:
    if facts.is_key_open:
        yield Finding(
            "dns-key",
            "warning",
            f"everybody on this machine can read {facts.switch.key_file}, the key that changes {facts.switch.zone}",
            f"chmod o= {shlex.quote(str(facts.switch.key_file))}",
            facts.application,
        )


def _record(switch: DnsSwitch) -> str:
    name = switch.zone if switch.name == "@" else f"{switch.name}.{switch.zone}"
    return f"the record {name} {switch.type}"


def _short(value: str) -> str:
    return value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}…"
