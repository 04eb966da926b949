"""What the rules about `dns` switches are told of a record."""

from __future__ import annotations

from dataclasses import dataclass

from migrator.domain.plan import DnsSwitch


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """What was found out about the record of one switch, without changing anything."""

    application: str
    switch: DnsSwitch
    values: tuple[str, ...]  # none when there is no such record
    ttl_seconds: int | None  # None when there is no such record
    is_in_place: bool
    is_key_open: bool

    @property
    def record(self) -> str:
        """The record, for people."""
        switch = self.switch
        name = switch.zone if switch.name == "@" else f"{switch.name}.{switch.zone}"
        return f"the record {name} {switch.type}"
