"""Every way an endpoint can be reached, ready to use in a test, always as the user who runs the test."""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from migrator.domain.plan import EndpointSpec
from migrator.endpoints.contract import Endpoint
from migrator.endpoints.opening import open_endpoint
from tests.support.sftp_pipe import piped_agent, piped_endpoint
from tests.support.sshd import Account, Setup, Sshd, make_key, running_sshd

Lane = Literal["local", "sftp on a pipe", "openssh", "paramiko", "agent on a pipe", "agent openssh", "agent paramiko"]

LANES: tuple[Lane, ...] = get_args(Lane)


@contextlib.contextmanager
def opened(lane: Lane) -> Iterator[Endpoint]:
    """An endpoint of that lane; whatever stands behind it is gone afterwards."""
    if lane == "local":
        with _opened_as_in_a_plan(EndpointSpec("here")) as endpoint:
            yield endpoint
    elif lane == "sftp on a pipe":
        with piped_endpoint() as endpoint:
            yield endpoint
    elif lane == "agent on a pipe":
        with piped_agent() as endpoint:
            yield endpoint
    else:
        connector: Literal["openssh", "paramiko"] = "openssh" if lane.endswith("openssh") else "paramiko"
        bytes_by: Literal["agent", "sftp"] = "agent" if lane.startswith("agent") else "sftp"
        with _own_server() as server:
            spec = dataclasses.replace(server.endpoint(connector=connector), lane=bytes_by)
            with _opened_as_in_a_plan(spec) as endpoint:
                yield endpoint


@contextlib.contextmanager
def _opened_as_in_a_plan(spec: EndpointSpec) -> Iterator[Endpoint]:
    endpoint = open_endpoint(spec, {spec.name: spec})
    try:
        yield endpoint
    finally:
        endpoint.close()


@contextlib.contextmanager
def _own_server() -> Iterator[Sshd]:
    with tempfile.TemporaryDirectory(prefix="migrator-lane-") as folder:
        own = Account(getpass.getuser(), Path(folder))
        with running_sshd(Setup(own, make_key(Path(folder) / "id"))) as server:
            yield server
