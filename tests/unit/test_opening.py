"""From an endpoint of the plan to one that can be used, without connecting and without needless imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

from migrator.domain.plan import EndpointSpec, Lane, Ssh
from migrator.endpoints.agent.endpoint import AgentEndpoint
from migrator.endpoints.auto_endpoint import AutoEndpoint
from migrator.endpoints.opening import open_endpoint
from migrator.endpoints.sftp.endpoint import SftpEndpoint

PROGRAM = """
import sys
from migrator.domain.plan import EndpointSpec, Ssh
from migrator.endpoints.opening import open_endpoint

spec = EndpointSpec("legacy", Ssh(host="203.0.113.1", user="export"), connector=sys.argv[1])
endpoint = open_endpoint(spec, {"legacy": spec})
assert endpoint.spec is spec
endpoint.close()
print("paramiko" in sys.modules)
"""


def test_this_machine_needs_no_connection() -> None:
    spec = EndpointSpec("here")
    endpoint = open_endpoint(spec, {"here": spec})
    assert isinstance(endpoint, AgentEndpoint)
    assert endpoint.spec is spec


@pytest.mark.parametrize(("connector", "loads_paramiko"), [("openssh", "False\n"), ("paramiko", "True\n")])
def test_an_ssh_endpoint_loads_only_its_own_connector(connector: str, loads_paramiko: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, connector], capture_output=True, text=True, check=True)
    assert done.stdout == loads_paramiko


@pytest.mark.parametrize(("lane", "kind"), [("agent", AgentEndpoint), ("sftp", SftpEndpoint), ("auto", AutoEndpoint)])
def test_each_lane_has_its_endpoint(lane: Lane, kind: type) -> None:
    spec = EndpointSpec("legacy", Ssh(host="203.0.113.1"), lane=lane)
    assert type(open_endpoint(spec, {"legacy": spec})) is kind
