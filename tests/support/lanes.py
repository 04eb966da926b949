"""Every way an endpoint can be reached, ready to use in a test, always as the user who runs the test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from migrator.domain.plan import EndpointSpec
from migrator.endpoints.contract import Endpoint
from migrator.endpoints.local_endpoint import LocalEndpoint

LANES = ("local",)


@contextlib.contextmanager
def opened(lane: str) -> Iterator[Endpoint]:
    """An endpoint of that lane; whatever stands behind it is gone afterwards."""
    endpoint = LocalEndpoint(EndpointSpec("here"))
    yield endpoint
    endpoint.close()
