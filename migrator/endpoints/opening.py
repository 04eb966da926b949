"""From an endpoint of the plan to one that can be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from migrator.domain.plan import EndpointSpec, Lane
from migrator.endpoints.agent.access import FarAccess
from migrator.endpoints.agent.endpoint import AgentEndpoint
from migrator.endpoints.agent.here import HereAccess
from migrator.endpoints.allowance import Allowance, Allowances, Joint, unlimited
from migrator.endpoints.auto_endpoint import AutoEndpoint
from migrator.endpoints.contract import Endpoint
from migrator.endpoints.sftp.endpoint import SftpEndpoint
from migrator.endpoints.ssh.channel import Connector
from migrator.endpoints.ssh.connecting import connector_for
from migrator.endpoints.ssh.route import jumps_to

_BY_LANE: Mapping[Lane, Callable[[EndpointSpec, Connector, Allowance], Endpoint]] = {
    "agent": lambda spec, connector, allowance: AgentEndpoint(spec, FarAccess(spec, connector, allowance)),
    "sftp": SftpEndpoint,
    "auto": AutoEndpoint,
}


def open_endpoint(
    spec: EndpointSpec, endpoints: Mapping[str, EndpointSpec], allowances: Allowances = unlimited
) -> Endpoint:
    """The endpoint that `spec` describes, which keeps to its allowance; nothing is connected before its first use.

    `endpoints` are all endpoints of the plan by name, for jump hosts.
    """
    if spec.is_local:
        return AgentEndpoint(spec, HereAccess(allowances(spec.name)))
    names = names_on_the_way(spec, endpoints)
    allowance = Joint([allowances(name) for name in names]) if len(names) > 1 else allowances(spec.name)
    return _BY_LANE[spec.lane](spec, connector_for(spec, endpoints, allowance), allowance)


def names_on_the_way(spec: EndpointSpec, endpoints: Mapping[str, EndpointSpec]) -> tuple[str, ...]:
    """The endpoints that a connection to `spec` goes through, sorted, itself included; none for this machine."""
    return () if spec.is_local else tuple(sorted({spec.name, *(jump.name for jump in jumps_to(spec, endpoints))}))
