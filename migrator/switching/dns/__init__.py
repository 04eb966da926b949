"""The `dns` switch. Its modules need dnspython, an extra of the installation: they are entered from here alone."""

from __future__ import annotations

from importlib.util import find_spec

from migrator.domain.plan import DnsSwitch
from migrator.errors import Refused
from migrator.switching.dns.sight import RecordSight
from migrator.switching.effect import Effect


def dns_effect(application: str, name: str, switch: DnsSwitch) -> Effect:
    """The switch as an effect; Refused without dnspython."""
    require_dnspython()
    from migrator.switching.dns.effect import DnsEffect  # noqa: PLC0415 - dnspython may be missing

    return DnsEffect(application, name, switch)


def look_at(switch: DnsSwitch) -> RecordSight:
    """How things stand with the record before its switch, changing nothing.

    Raises Refused without dnspython, with an unusable key, or when a server refuses us; EndpointUnavailable when one
    does not answer.
    """
    require_dnspython()
    from migrator.switching.dns.looking import look  # noqa: PLC0415 - dnspython may be missing

    return look(switch)


def require_dnspython() -> None:
    """Return when dnspython is installed; Refused otherwise."""
    if find_spec("dns") is None or find_spec("dns.update") is None:
        raise Refused(
            "a `dns` switch needs dnspython, which is not installed",
            hint="install the extra: `pip install 'migrator[dns]'`",
        )
