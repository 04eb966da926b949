"""From an endpoint of the plan to one that can be used, without connecting and without needless imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

from migrator.domain.plan import EndpointSpec, Ssh
from migrator.endpoints.local_endpoint import LocalEndpoint
from migrator.endpoints.opening import open_endpoint
from migrator.errors import Refused

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
    assert isinstance(endpoint, LocalEndpoint)
    assert endpoint.spec is spec


@pytest.mark.parametrize(("connector", "loads_paramiko"), [("openssh", "False\n"), ("paramiko", "True\n")])
def test_an_ssh_endpoint_loads_only_its_own_connector(connector: str, loads_paramiko: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, connector], capture_output=True, text=True, check=True)
    assert done.stdout == loads_paramiko


def test_the_agent_lane_is_not_accepted_silently() -> None:
    spec = EndpointSpec("legacy", Ssh(host="203.0.113.1"), lane="agent")
    with pytest.raises(Refused, match="not carried out yet") as caught:
        open_endpoint(spec, {"legacy": spec})
    assert caught.value.hint
