"""From an endpoint of the plan to one that can be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from migrator.domain.plan import EndpointSpec, Lane
from migrator.endpoints.agent.access import FarAccess
from migrator.endpoints.agent.endpoint import AgentEndpoint
from migrator.endpoints.agent.here import HereAccess
from migrator.endpoints.auto_endpoint import AutoEndpoint
from migrator.endpoints.contract import Endpoint
from migrator.endpoints.sftp.endpoint import SftpEndpoint
from migrator.endpoints.ssh.channel import Connector
from migrator.endpoints.ssh.connecting import connector_for

_BY_LANE: Mapping[Lane, Callable[[EndpointSpec, Connector], Endpoint]] = {
    "agent": lambda spec, connector: AgentEndpoint(spec, FarAccess(spec, connector)),
    "sftp": SftpEndpoint,
    "auto": AutoEndpoint,
}


def open_endpoint(spec: EndpointSpec, endpoints: Mapping[str, EndpointSpec]) -> Endpoint:
    """The endpoint that `spec` describes; nothing is connected before its first use.

    `endpoints` are all endpoints of the plan by name, for jump hosts.
    """
    if spec.is_local:
        return AgentEndpoint(spec, HereAccess())
    return _BY_LANE[spec.lane](spec, connector_for(spec, endpoints))
