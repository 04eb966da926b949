"""From an endpoint of the plan to one that can be used."""

from __future__ import annotations

from collections.abc import Mapping

from migrator.domain.plan import EndpointSpec
from migrator.endpoints.connecting import connector_for
from migrator.endpoints.contract import Endpoint
from migrator.endpoints.local_endpoint import LocalEndpoint
from migrator.endpoints.sftp_endpoint import SftpEndpoint
from migrator.errors import Refused


def open_endpoint(spec: EndpointSpec, endpoints: Mapping[str, EndpointSpec]) -> Endpoint:
    """The endpoint that `spec` describes; nothing is connected before its first use.

    `endpoints` are all endpoints of the plan by name, for jump hosts. Refused for what is not carried out yet.
    """
    if spec.is_local:
        return LocalEndpoint(spec)
    if spec.lane == "agent":
        raise Refused(
            f"endpoint `{spec.name}`: `lane: agent` is not carried out yet",
            hint="use `lane: auto` or `lane: sftp`",
        )
    return SftpEndpoint(spec, connector_for(spec, endpoints))
