"""Every way an endpoint can be reached, ready to use in a test, always as the user who runs the test."""

from __future__ import annotations

import contextlib
import getpass
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from migrator.domain.plan import EndpointSpec
from migrator.endpoints.contract import Endpoint
from migrator.endpoints.opening import open_endpoint
from tests.support.sshd import Account, Setup, make_key, running_sshd

Lane = Literal["local", "openssh", "paramiko"]

LANES: tuple[Lane, ...] = ("local", "openssh", "paramiko")


@contextlib.contextmanager
def opened(lane: Lane) -> Iterator[Endpoint]:
    """An endpoint of that lane; whatever stands behind it is gone afterwards."""
    with _spec(lane) as spec, contextlib.closing(open_endpoint(spec, {spec.name: spec})) as endpoint:
        yield endpoint


@contextlib.contextmanager
def _spec(lane: Lane) -> Iterator[EndpointSpec]:
    if lane == "local":
        yield EndpointSpec("here")
        return
    with tempfile.TemporaryDirectory(prefix="migrator-lane-") as folder:
        own = Account(getpass.getuser(), Path(folder))
        with running_sshd(Setup(own, make_key(Path(folder) / "id"))) as server:
            yield server.endpoint(connector=lane)
