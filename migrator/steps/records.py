"""What speaks for and against the `dns` switches of an application: looked up, then judged."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.domain.plan import Application, DnsSwitch
from migrator.domain.reports import Finding
from migrator.domain.rules import rule_named
from migrator.errors import Refused
from migrator.planning.rules.dns_facts import RecordFacts
from migrator.planning.rules.registry import examine_record
from migrator.switching.dns import look_at, require_dnspython

NO_SERVER = rule_named("dns-server")


def record_findings(application: Application, *, is_offline: bool = False) -> Iterator[Finding]:
    """The findings about each record, in the order of the plan; nothing is changed, and offline nothing is asked.

    Raises EndpointUnavailable when a name server does not answer.
    """
    for switch in application.switches:
        if isinstance(switch, DnsSwitch):
            try:
                yield from _about(application.name, switch, is_offline=is_offline)
            except Refused as refusal:
                yield NO_SERVER.finds(refusal.message, refusal.hint, application.name)


def _about(application: str, switch: DnsSwitch, *, is_offline: bool) -> tuple[Finding, ...]:
    if is_offline:
        require_dnspython()
        return ()
    return examine_record(RecordFacts(application, switch, **look_at(switch)._asdict()))
