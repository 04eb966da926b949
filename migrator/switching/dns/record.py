"""The record of a `dns` switch in dnspython's terms: what the plan wants, and updates that depend on what is there."""

from __future__ import annotations

import json
from dataclasses import dataclass

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.update
from dns.rdtypes.ANY.TXT import TXT

from migrator.domain.plan import DnsSwitch
from migrator.switching.dns.key import SecretKey

_LONGEST_STRING = 255  # of the strings that a TXT record is made of
_LONGEST_SHOWN = 120


@dataclass(frozen=True)
class Record:
    """Where the record stands, and what it is to say."""

    zone: dns.name.Name
    name: dns.name.Name
    kind: dns.rdatatype.RdataType
    wanted: dns.rdataset.Rdataset

    @classmethod
    def of(cls, switch: DnsSwitch) -> Record:
        """The record as the plan has it; its name and value were checked when the plan was read."""
        zone = dns.name.from_text(switch.zone)
        kind = dns.rdatatype.from_text(switch.type)
        if kind == dns.rdatatype.TXT:
            text = switch.value.encode()
            strings = [text[start : start + _LONGEST_STRING] for start in range(0, len(text), _LONGEST_STRING)]
            value: dns.rdata.Rdata = TXT(dns.rdataclass.IN, kind, strings)
        else:
            value = dns.rdata.from_text(dns.rdataclass.IN, kind, switch.value, origin=zone, relativize=False)
        wanted = dns.rdataset.from_rdata(switch.ttl_seconds, value)
        return cls(zone, dns.name.from_text(switch.name, zone), kind, wanted)

    @property
    def at(self) -> str:
        """The whole name, for people."""
        return self.name.to_text(omit_final_dot=True)

    def __str__(self) -> str:
        return f"{self.at} {dns.rdatatype.to_text(self.kind)}"

    def is_said_by(self, records: dns.rdataset.Rdataset | None) -> bool:
        """Whether `records` are exactly the wanted one; the time to live does not count."""
        return records is not None and set(records) == set(self.wanted)

    def replacing(
        self, expected: dns.rdataset.Rdataset | None, new: dns.rdataset.Rdataset | None, key: SecretKey | None
    ) -> dns.update.UpdateMessage:
        """An update that puts `new` there on condition that exactly `expected` stands there; None means nothing."""
        update = self.asking(expected, key)
        update.delete(self.name, self.kind)
        if new is not None:
            update.add(self.name, new)
        return update

    def asking(self, expected: dns.rdataset.Rdataset | None, key: SecretKey | None) -> dns.update.UpdateMessage:
        """An update that changes nothing, on condition that exactly `expected` stands there; None means nothing."""
        update = dns.update.UpdateMessage(self.zone, keyring=key)
        if expected is not None:
            update.present(self.name, *expected)
        elif self.kind == dns.rdatatype.CNAME:
            update.absent(self.name)  # of any type: a CNAME stands alone, and servers pass over one that would not
        else:
            update.absent(self.name, self.kind)
            update.absent(self.name, dns.rdatatype.CNAME)
        return update


def as_text(records: dns.rdataset.Rdataset | None) -> tuple[str, ...]:
    """The values as a zone file writes them, in a fixed order."""
    return () if records is None else tuple(sorted(each.to_text() for each in records))


def shown(records: dns.rdataset.Rdataset | None) -> str:
    """The values for people, shortened: a TXT record can be longer than any line."""
    text = ", ".join(as_text(records)) or "nothing"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def pack(records: dns.rdataset.Rdataset | None) -> str:
    """`records` as one line for the journal."""
    return json.dumps({"ttl": None if records is None else records.ttl, "values": as_text(records)})


def unpack(line: str, kind: dns.rdatatype.RdataType) -> dns.rdataset.Rdataset | None:
    """What `pack` was given."""
    packed = json.loads(line)
    if packed["ttl"] is None:
        return None
    return dns.rdataset.from_text_list(dns.rdataclass.IN, kind, packed["ttl"], packed["values"])
