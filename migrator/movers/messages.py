"""What coordinator and mover say to each other over their pipe: pickled, both ends being this program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from migrator.domain.plan import EndpointSpec


class Start(NamedTuple):
    """The first message to a mover: the endpoints it may be sent to, and where content has a rate to hold."""

    endpoints: Mapping[str, EndpointSpec]
    limited: frozenset[str]


class Task(NamedTuple):
    """One batch: `work` is a module-level function that is called with (hands, job)."""

    work: Callable[..., None]
    job: Any


class Stop(NamedTuple):
    """Finish the commit group under way, then end the batch."""


class Limited(NamedTuple):
    """At these endpoints content has a rate to hold from now on, and at no others."""

    endpoints: frozenset[str]


class Answer(NamedTuple):
    """To an Ask or a Knock: how many bytes are granted, or whether (1 or 0) the mover may log in."""

    granted: int


class Report(NamedTuple):
    """Something the work has to say before it is done."""

    content: Any


class Ask(NamedTuple):
    """The mover waits until some of so many bytes may cross an endpoint."""

    endpoint: str
    size_bytes: int


class Knock(NamedTuple):
    """The mover waits for its turn to log in at an endpoint."""

    endpoint: str


class Entered(NamedTuple):
    """The mover has logged in there, or failed to: it is the next one's turn."""

    endpoint: str


class Done(NamedTuple):
    """The end of a task; `error` is None when the work returned."""

    error: Exception | None = None
    traceback: str = ""  # of an error that nobody expected


FromMover = Report | Ask | Knock | Entered | Done
ToMover = Start | Task | Stop | Limited | Answer
