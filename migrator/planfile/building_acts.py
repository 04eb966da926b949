"""From the checked shapes of switches and smoke checks to what the plan has of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from migrator.domain.acts import (
    Check,
    CommandCheck,
    HaproxySwitch,
    HttpCall,
    HttpCheck,
    HttpSwitch,
    OwnSwitch,
    SameOutput,
    TcpCheck,
)
from migrator.domain.plan import DEFAULT_TIMEOUT_SECONDS, DnsSwitch
from migrator.planfile import effect_shapes
from migrator.planfile.check_shapes import CheckShape, host_and_port
from migrator.planfile.dns_shape import DnsShape, name_server
from migrator.planfile.fields import seconds
from migrator.planfile.own_kinds import TIMEOUT, own_settings


def dns_switch(shape: DnsShape, file: Callable[[str], Path]) -> DnsSwitch:
    """The switch of a DNS record; `file` makes the path of its key absolute."""
    # The server that takes the update is always asked: what stands there decides whether it is applied.
    servers = dict.fromkeys([shape.server, *shape.servers])
    return DnsSwitch(
        server=name_server(shape.server),
        zone=shape.zone,
        name=shape.name,
        type=shape.type,
        value=shape.value,
        ttl_seconds=shape.ttl,
        key_file=file(shape.key_file) if shape.key_file else None,
        servers=tuple(name_server(each) for each in servers),
        timeout_seconds=shape.timeout,
    )


def haproxy_switch(shape: effect_shapes.HaproxySwitch) -> HaproxySwitch:
    """The switch inside HAProxy."""
    return HaproxySwitch(
        shape.on, shape.socket, shape.backend, shape.from_server, shape.to_server, timeout_seconds=shape.timeout
    )


def http_switch(shape: effect_shapes.HttpSwitch, file: Callable[[str], Path]) -> HttpSwitch:
    """The switch by requests; `file` makes the path of its token absolute."""
    token_file = file(shape.token_file) if shape.token_file else None
    return HttpSwitch(_call(shape.apply), _call(shape.probe), _call(shape.undo), token_file, shape.timeout)


def own_switch(written: Mapping[str, Any], folder: Path) -> OwnSwitch:
    """The switch of another package's kind; `written` has that one key."""
    ((kind, settings),) = written.items()
    timeout = seconds(settings[TIMEOUT]) if TIMEOUT in settings else DEFAULT_TIMEOUT_SECONDS
    return OwnSwitch(kind, own_settings(settings), folder, timeout)


def check(shape: CheckShape) -> Check:
    """The smoke check."""
    if shape.http:
        http = shape.http
        return HttpCheck(http.url, http.status, http.contains, http.when, http.timeout)
    if shape.same_output:
        same = shape.same_output
        return SameOutput(tuple(same.command), same.when, same.timeout)
    if shape.tcp:
        host, port = host_and_port(shape.tcp.address)
        return TcpCheck(host, port, shape.tcp.when, shape.tcp.timeout)
    assert shape.command is not None  # the rules see to it that there is one
    command = shape.command
    return CommandCheck(command.on, tuple(command.argv), command.when, command.timeout)


def _call(shape: effect_shapes.HttpCall) -> HttpCall:
    return HttpCall(shape.method, shape.url, shape.body, shape.status)
