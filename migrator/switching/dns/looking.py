"""A look at a record before its switch, and whether the server would take the update."""

from __future__ import annotations

from migrator.domain.plan import DnsSwitch
from migrator.errors import Refused
from migrator.switching.dns.key import is_open_to_all, read_key
from migrator.switching.dns.record import Record, as_text
from migrator.switching.dns.servers import CONDITIONS, ask, send
from migrator.switching.dns.sight import RecordSight


def look(switch: DnsSwitch) -> RecordSight:
    """What stands at the primary server now; every other server is asked, too.

    An update that changes nothing shows whether the key and the zone are right. Servers that check permissions for
    each changed record alone (BIND's `update-policy`) let it pass even where the change itself would be refused.
    """
    record = Record.of(switch)
    key = read_key(switch.key_file) if switch.key_file else None
    found = {server: ask(server, record.name, record.kind) for server in switch.servers}
    here = found[switch.server]
    if here.alias is not None:
        raise Refused(
            f"{record.at} is an alias (CNAME) of {here.alias}, so that it can have no other record",
            hint="let the plan change the CNAME, or replace it by hand first",
        )
    outcome = send(switch.server, record.asking(here.records, key))
    if outcome in CONDITIONS and here.records is None:
        raise Refused(
            f"other records stand at {record.at}, and a CNAME must stand alone",
            hint="remove them by hand first, or let the plan change one of them",
        )
    return RecordSight(
        values=as_text(here.records),
        ttl_seconds=None if here.records is None else here.records.ttl,
        is_in_place=all(record.is_said_by(each.records) for each in found.values()),
        is_key_open=switch.key_file is not None and is_open_to_all(switch.key_file),
    )
