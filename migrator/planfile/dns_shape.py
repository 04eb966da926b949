"""The shape of the `dns` switch, and the rules about its name and value."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Literal

from pydantic import Field

from migrator.domain.plan import DEFAULT_TIMEOUT_SECONDS, NameServer
from migrator.planfile.fields import File, Reads, Text, Timeout, as_text, whole_number, wrong
from migrator.planfile.finding import At, Problem, applications_of
from migrator.planfile.mapping import Mapping
from migrator.planfile.remarks import quoted

_PORT = 53
_SERVER = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:]+))(?::(?P<port>[0-9]+))?")
# One label of a name; underscores stand in names such as `_dmarc`, an asterisk stands alone.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?:\*|{_LABEL})(?:\.{_LABEL})*")
_LONGEST_NAME = 253
_LONGEST_TEXT = 4000  # bytes of a TXT record; an update must fit into one message
_APEX = "@"


def name_server(text: str) -> NameServer:
    """The name server that `address`, `address:port` or `[address]:port` stands for; ValueError when none does."""
    try:
        return NameServer(str(ipaddress.IPv6Address(text)), _PORT)
    except ValueError:
        match = _SERVER.fullmatch(text)
    if match is None or (match["host"] and not _is_name(match["host"])):
        raise ValueError(text)
    host = match["host"] or str(ipaddress.IPv6Address(match["v6"]))
    port = int(match["port"][:6]) if match["port"] else _PORT
    if not 1 <= port <= 65535:
        raise ValueError(text)
    return NameServer(host, port)


def _as_server(value: object) -> str:
    text = as_text(value)
    try:
        return str(name_server(text))
    except ValueError as error:
        hint = "for instance `10.0.0.53:53`, or `[2001:db8::53]:53`"
        raise wrong(f"must be the address of a name server and a port, not {quoted(text)}", hint) from error


def _as_zone(value: object) -> str:
    text = as_text(value)
    zone = text.removesuffix(".").lower()
    if not _is_name(zone):
        raise wrong(f"must be the name of a zone, not {quoted(text)}", "for instance `paris.example`")
    return zone


def _as_record_name(value: object) -> str:
    text = as_text(value)
    if text != _APEX and not _is_name(text):
        hint = f"for instance `eau`; `{_APEX}` is the zone itself"
        raise wrong(f"must be a name within the zone, without a dot at its end, not {quoted(text)}", hint)
    return text.lower()


def _is_name(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and _NAME.fullmatch(text) is not None


ServerAddress = Annotated[str, Reads(_as_server, {"type": "string", "minLength": 1})]
Zone = Annotated[str, Reads(_as_zone, {"type": "string", "minLength": 1})]
RecordName = Annotated[str, Reads(_as_record_name, {"type": "string", "minLength": 1})]
TtlSeconds = Annotated[int, whole_number(1, 86400)]


class DnsShape(Mapping):
    """A record that is replaced by a dynamic update (RFC 2136), on condition that it still is what it was."""

    server: ServerAddress = Field(
        description="The name server that takes updates, as `address:port`; IPv6 in brackets. Without a port, 53."
    )
    zone: Zone = Field(description="The zone.")
    name: RecordName = Field(description="The name within the zone; `@` is the zone itself.")
    type: Literal["A", "AAAA", "CNAME", "TXT"] = Field(description="Type of the record.")
    value: Text = Field(
        description="What the record says after the switch, in place of all that it said. The name of a `CNAME` ends "
        "with a dot, or is one word within the zone."
    )
    ttl: TtlSeconds = Field(default=60, description="Time to live of the record, in seconds.")
    key_file: File | None = Field(
        default=None,
        description="The key that signs the update, as BIND's `tsig-keygen` writes it. Without it, nothing is signed.",
    )
    servers: list[ServerAddress] = Field(
        default=[],
        description="More name servers of the zone; they and `server` are asked until all give the new value.",
    )
    timeout: Timeout = Field(
        default=DEFAULT_TIMEOUT_SECONDS, description="How long until all servers must give the value."
    )


def dns_rules(plan: At) -> Iterator[Problem]:
    """The name of each `dns` switch lies in its zone, and its value is one of its type."""
    for _, application in applications_of(plan):
        for item in application.key("switch").items():
            switch = item.key("dns")
            yield from _name_problems(switch)
            yield from _value_problems(switch)


def _name_problems(switch: At) -> Iterator[Problem]:
    name, zone = switch.key("name").text().lower(), switch.key("zone").text().lower().removesuffix(".")
    if zone and (name == zone or name.endswith(f".{zone}")):
        within = name.removesuffix(zone).removesuffix(".") or _APEX
        message = f"`name` is taken within the zone, so {quoted(name)} would be {quoted(f'{name}.{zone}')}"
        yield Problem(switch.key("name").loc, message, f"write {quoted(within)}")
    elif name == _APEX and switch.key("type").text() == "CNAME":
        yield Problem(switch.key("name").loc, "a zone itself cannot be a CNAME", "give it an A or AAAA record")


def _value_problems(switch: At) -> Iterator[Problem]:
    kind, value = switch.key("type").text(), switch.key("value")
    if kind in _VALUES and value.text().strip():
        is_fit, wanted, hint = _VALUES[kind]
        if not is_fit(value.text()):
            yield Problem(value.loc, f"`value` must be {wanted}, not {quoted(value.text())}", hint)


def _is_address(text: str, address: type[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> bool:
    try:
        address(text)
    except ValueError:
        return False
    return "%" not in text  # a scope means something on one machine only


def _is_clear_name(text: str) -> bool:
    # `web.dc18.example` without its dot would mean `web.dc18.example.paris.example.`, which nobody wants.
    return _is_name(text.removesuffix(".")) and (text.endswith(".") or "." not in text)


_VALUES: dict[str, tuple[Callable[[str], bool], str, str]] = {
    "A": (lambda text: _is_address(text, ipaddress.IPv4Address), "an IPv4 address", "for instance `10.18.0.7`"),
    "AAAA": (lambda text: _is_address(text, ipaddress.IPv6Address), "an IPv6 address", "for instance `2001:db8::7`"),
    "CNAME": (
        _is_clear_name,
        "a full name that ends with a dot, or one word within the zone",
        "for instance `web.dc18.example.`",
    ),
    "TXT": (lambda text: len(text.encode()) <= _LONGEST_TEXT, f"at most {_LONGEST_TEXT} bytes long", "shorten it"),
}
