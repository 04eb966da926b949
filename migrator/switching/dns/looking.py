"""A look at a record before its switch, and whether the server would take the update."""

from __future__ import annotations

from typing import NamedTuple

import dns.rcode
import dns.rdataset
import dns.rdatatype

from migrator.domain.plan import DnsSwitch
from migrator.errors import Refused
from migrator.switching.dns.key import is_open_to_all, key_of
from migrator.switching.dns.record import Record, as_text
from migrator.switching.dns.servers import ask, send
from migrator.switching.dns.sight import RecordSight


class Standing(NamedTuple):
    """What the primary server gives for a name, and what really stands there; they differ where a wildcard answers."""

    given: dns.rdataset.Rdataset | None
    own: dns.rdataset.Rdataset | None


def look(switch: DnsSwitch) -> RecordSight:
    """What the primary server gives now; every other server is asked, too, and nothing is changed."""
    record = Record.of(switch)
    given = standing(switch, record).given
    others = [ask(server, record.name, record.kind).records for server in switch.servers if server != switch.server]
    return RecordSight(
        values=as_text(given),
        ttl_seconds=None if given is None else given.ttl,
        is_in_place=all(record.is_said_by(each) for each in (given, *others)),
        is_key_open=switch.key_file is not None and is_open_to_all(switch.key_file),
    )


def standing(switch: DnsSwitch, record: Record) -> Standing:
    """What stands at the record's name; Refused when the server does not take updates of ours, or none can help.

    Updates that change nothing tell, by their conditions: an answer alone may come from a wildcard. Servers that check
    permissions for each changed record alone (BIND's `update-policy`) let them pass even where the change itself would
    be refused.
    """
    key = key_of(switch)
    found = ask(switch.server, record.name, record.kind)

    def holds(expected: dns.rdataset.Rdataset | None) -> bool:
        return send(switch.server, record.asking(expected, key)) == dns.rcode.NOERROR

    if found.alias is None and holds(found.records):
        return Standing(found.records, found.records)
    if (found.alias is not None or found.records is not None) and holds(None):
        return Standing(found.records, None)
    if found.alias is not None:
        raise Refused(
            f"{record.at} is an alias (CNAME) of {found.alias}, so that it can have no other record",
            hint="let the plan change the CNAME, or replace it by hand first",
        )
    if record.kind == dns.rdatatype.CNAME and found.records is None:
        raise Refused(
            f"other records stand at {record.at}, and a CNAME must stand alone",
            hint="remove them by hand first, or let the plan change one of them",
        )
    raise Refused(f"{record} is being changed by somebody else just now", hint="find out by whom, then try again")
