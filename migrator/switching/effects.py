"""Freezes and switches as effects: each can be probed, applied and undone, and says what undoing will need."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

from migrator.domain.entries import display
from migrator.domain.plan import Application, Argv, DnsSwitch, LaterSwitch, Place, Switch, SymlinkSwitch, Triple
from migrator.endpoints.contract import Completed, Host
from migrator.errors import Refused

FREEZE = "freeze"

Result = TypeVar("Result")

# How much of a command's own words an error repeats: the end, since that is where commands say why.
_QUOTED_BYTES = 600
_QUOTED_LINES = 5

# What `SymlinkEffect.prepare` notes when there was no link; base64 never contains this character.
_NO_LINK = "-"


class Answer(StrEnum):
    """The answer to "is the effect in place?"; unknown is never taken for yes or no."""

    IN_PLACE = "in place"
    NOT_IN_PLACE = "not in place"
    UNKNOWN = "unknown"


class Doubt(NamedTuple):
    """Why a probe's answer was unknown: the rest of a sentence, and what to do."""

    sentence: str
    hint: str | None


@runtime_checkable
class Doubting(Protocol):
    """An effect whose probe can say more than that its answer is unknown."""

    @property
    def doubt(self) -> Doubt | None:
        """Why the last probe's answer was unknown; None when it was clear."""


class Effect(Protocol):
    """Something outside the journal that one act puts in place and another takes back."""

    @property
    def application(self) -> str:
        """The application it belongs to."""

    @property
    def name(self) -> str:
        """How the journal and people know it: "freeze", "switch 1 (symlink)"."""

    def probe(self) -> Answer:
        """Whether it is in place; changes nothing. EndpointUnavailable when the host cannot be reached."""

    def prepare(self) -> str | None:
        """What `undo` will need and `apply` will overwrite, to be recorded before `apply`; None when nothing."""

    def apply(self) -> None:
        """Put it in place; Refused when that fails, after which only a probe knows how things stand."""

    def undo(self, prepared: str | None) -> None:
        """Take it back, given what `prepare` returned then; Refused when that fails."""


class CommandEffect:
    """An effect made of three commands of the operator."""

    def __init__(
        self, application: str, name: str, triple: Triple, run: Callable[[Sequence[str], float], Completed]
    ) -> None:
        self.application = application
        self.name = name
        self._triple = triple
        self._run = run

    def probe(self) -> Answer:
        """Exit 0 is yes, 1 is no; a signal, a time-out, ssh's 255 or anything else is unknown."""
        completed = self._run(self._triple.probe, self._triple.timeout_seconds)
        if completed.status == 0:
            return Answer.IN_PLACE
        return Answer.NOT_IN_PLACE if completed.status == 1 else Answer.UNKNOWN

    def prepare(self) -> str | None:
        """Nothing: the operator's `undo` knows what to do."""
        return None

    def apply(self) -> None:
        """Run the `apply` command; Refused, with the end of its output, unless it exits 0."""
        self._act("apply", self._triple.apply)

    def undo(self, prepared: str | None) -> None:  # noqa: ARG002 - the protocol's; a command needs nothing
        """Run the `undo` command; Refused, with the end of its output, unless it exits 0."""
        self._act("undo", self._triple.undo)

    def _act(self, verb: str, argv: Argv) -> None:
        seconds = self._triple.timeout_seconds
        completed = self._run(argv, seconds)
        if completed.status == 0:
            return
        how = f"did not end within {seconds:g} s" if completed.status is None else f"exited {completed.status}"
        raise Refused(
            f"`{verb}` of {self.name} of `{self.application}` {how}{_quoted(completed)}",
            hint=f"the command was {_shown(argv)}; the next run asks the probe how things stand, then tries again",
        )


class _TooLate(Refused):
    """The endpoint did not answer within the plan's time."""


class SymlinkEffect:
    """A symbolic link that points where the plan says."""

    def __init__(self, application: str, name: str, switch: SymlinkSwitch, endpoint: Host) -> None:
        self.application = application
        self.name = name
        self._switch = switch
        self._endpoint = endpoint

    def probe(self) -> Answer:
        """In place when the link's text is ours, unknown when the endpoint does not answer in time.

        Refused when something other than a link stands there.
        """
        try:
            found = self._in_time(lambda: self._endpoint.read_link(self._switch.link))
        except _TooLate:
            return Answer.UNKNOWN
        return Answer.IN_PLACE if found == self._switch.to else Answer.NOT_IN_PLACE

    def prepare(self) -> str | None:
        """The text of the link as it is now, or that there is none."""
        found = self._in_time(lambda: self._endpoint.read_link(self._switch.link))
        return _NO_LINK if found is None else base64.b64encode(found).decode("ascii")

    def apply(self) -> None:
        """Point the link to its new place, in one atomic step; Refused when that takes too long."""
        self._in_time(lambda: self._endpoint.point_link(self._switch.link, self._switch.to))

    def undo(self, prepared: str | None) -> None:
        """Give the link back its former text, or remove it when there was none; a link no longer ours is left alone."""
        if self.probe() is not Answer.IN_PLACE:
            return
        if prepared is None:
            raise Refused(
                f"{self.name} of `{self.application}`: no record of where {display(self._switch.link)} pointed before",
                hint="the link was already in place when the switch came to it; set it by hand, then run this again",
            )
        if prepared == _NO_LINK:
            self._in_time(lambda: self._endpoint.remove_link(self._switch.link))
        else:
            former = base64.b64decode(prepared, validate=True)
            self._in_time(lambda: self._endpoint.point_link(self._switch.link, former))

    def _in_time(self, act: Callable[[], Result]) -> Result:
        seconds = self._switch.timeout_seconds
        try:
            return _within(seconds, act)
        except TimeoutError as error:
            raise _TooLate(
                f"{self.name} of `{self.application}` did not end within {seconds:g} s",
                hint="the next run asks the probe how things stand, then tries again",
            ) from error


def _within(seconds: float, act: Callable[[], Result]) -> Result:
    """What `act` returns or raises; TimeoutError when it takes longer, and then it ends by its own deadline."""
    outcome: Future[Result] = Future()

    def carry_out() -> None:
        try:
            outcome.set_result(act())
        except Exception as error:  # noqa: BLE001 - raised where the outcome is waited for
            outcome.set_exception(error)

    # A daemon: an endpoint that never answers must not keep the process from ending.
    threading.Thread(target=carry_out, name="link", daemon=True).start()
    return outcome.result(seconds)


def freeze_effect(application: Application, place: Callable[[Place], Host]) -> Effect | None:
    """The freeze of `application`; None when the plan declares its source static."""
    if application.freeze is None:
        return None
    return CommandEffect(application.name, FREEZE, application.freeze, place(application.freeze.on).run)


def effects_of(application: Application, place: Callable[[Place], Host]) -> tuple[Effect, ...]:
    """The switches of `application`, in the order in which they are applied; undo goes backwards.

    Raises Refused for a switch that this version does not carry out.
    """
    return tuple(
        _effect(application.name, number, switch, place) for number, switch in enumerate(application.switches, start=1)
    )


def _effect(application: str, number: int, switch: Switch, place: Callable[[Place], Host]) -> Effect:
    match switch:
        case Triple():
            return CommandEffect(application, f"switch {number} (command)", switch, place(switch.on).run)
        case SymlinkSwitch():
            return SymlinkEffect(application, f"switch {number} (symlink)", switch, place(switch.on))
        case DnsSwitch():
            from migrator.switching.dns import dns_effect  # noqa: PLC0415 - it is built on this module

            return dns_effect(application, f"switch {number} (dns)", switch)
        case LaterSwitch():
            raise Refused(
                f"switch {number} of `{application}` is of type `{switch.type}`, which is not carried out yet",
                hint="a `command` switch can do the same with a command of yours",
            )


def _quoted(completed: Completed) -> str:
    """The end of what a command said, safe on a terminal; empty when it said nothing."""
    words = completed.stderr.strip() or completed.stdout.strip()
    lines = words[-_QUOTED_BYTES:].splitlines()[-_QUOTED_LINES:]
    said = " | ".join(display(line.strip()) for line in lines if line.strip())
    return f": {said}" if said else " and said nothing"


def _shown(argv: Argv) -> str:
    """An argument list for people; unlike a shell's quoting it cannot smuggle control characters."""
    return "[" + ", ".join(display(argument.encode("utf-8", "surrogateescape")) for argument in argv) + "]"
