"""What coordinator and mover say to each other over their pipe: pickled, both ends being this program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from migrator.domain.plan import EndpointSpec


class Start(NamedTuple):
    """The first message to a mover: the endpoints it may be sent to."""

    endpoints: Mapping[str, EndpointSpec]


class Task(NamedTuple):
    """One batch: `work` is a module-level function that is called with (hands, job)."""

    work: Callable[..., None]
    job: Any


class Stop(NamedTuple):
    """Finish the commit group under way, then end the batch."""


class Report(NamedTuple):
    """Something the work has to say before it is done."""

    content: Any


class Done(NamedTuple):
    """The end of a task; `error` is None when the work returned."""

    error: Exception | None = None
    traceback: str = ""  # of an error that nobody expected
