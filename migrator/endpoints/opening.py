"""From an endpoint of the plan to one that can be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from migrator.domain.plan import EndpointSpec, Lane
from migrator.endpoints.agent_endpoint import AgentEndpoint
from migrator.endpoints.auto_endpoint import AutoEndpoint
from migrator.endpoints.channel import Connector
from migrator.endpoints.connecting import connector_for
from migrator.endpoints.contract import Endpoint
from migrator.endpoints.local_endpoint import LocalEndpoint
from migrator.endpoints.sftp_endpoint import SftpEndpoint

_BY_LANE: Mapping[Lane, Callable[[EndpointSpec, Connector], Endpoint]] = {
    "agent": AgentEndpoint,
    "sftp": SftpEndpoint,
    "auto": AutoEndpoint,
}


def open_endpoint(spec: EndpointSpec, endpoints: Mapping[str, EndpointSpec]) -> Endpoint:
    """The endpoint that `spec` describes; nothing is connected before its first use.

    `endpoints` are all endpoints of the plan by name, for jump hosts.
    """
    if spec.is_local:
        return LocalEndpoint(spec)
    return _BY_LANE[spec.lane](spec, connector_for(spec, endpoints))
