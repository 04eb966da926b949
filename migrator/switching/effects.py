"""Freezes and switches as effects: each can be probed, applied and undone, and says what undoing will need."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence

from migrator.domain.acts import FREEZE, HaproxySwitch, HttpSwitch, OwnSwitch
from migrator.domain.entries import display
from migrator.domain.plan import Application, Argv, DnsSwitch, Place, Switch, SymlinkSwitch, Triple
from migrator.endpoints.contract import Completed, Host
from migrator.errors import Refused
from migrator.switching.deadline import Overdue, Result, within
from migrator.switching.dns import dns_effect
from migrator.switching.effect import Answer, Effect
from migrator.switching.haproxy import HaproxyEffect
from migrator.switching.haproxy_socket import runtime_at
from migrator.switching.http import HttpEffect
from migrator.switching.naming import TARGET_FREEZE, switch_name
from migrator.switching.own import OwnEffect
from migrator.switching.quoting import quoted, shown

__all__ = [
    "FREEZE",
    "Answer",
    "CommandEffect",
    "Effect",
    "SymlinkEffect",
    "effect_of",
    "effects_of",
    "freeze_effect",
    "target_freeze_effect",
]

# What `SymlinkEffect.prepare` notes when there was no link; base64 never contains this character.
_NO_LINK = "-"


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
            f"`{verb}` of {self.name} of `{self.application}` {how}{quoted(completed)}",
            hint=f"the command was {shown(argv)}; the next run asks the probe how things stand, then tries again",
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
            return within(seconds, act)
        except Overdue as error:
            raise _TooLate(
                f"{self.name} of `{self.application}` did not end within {seconds:g} s",
                hint="the next run asks the probe how things stand, then tries again",
            ) from error


def freeze_effect(application: Application, place: Callable[[Place], Host]) -> Effect | None:
    """The freeze of `application`; None when the plan declares its source static."""
    if application.freeze is None:
        return None
    return CommandEffect(application.name, FREEZE, application.freeze, place(application.freeze.on).run)


def target_freeze_effect(application: Application, place: Callable[[Place], Host]) -> Effect | None:
    """What stops writes at the target of `application` while it falls back; None when the plan has nothing for it."""
    freeze = application.fall_back.freeze
    return None if freeze is None else CommandEffect(application.name, TARGET_FREEZE, freeze, place(freeze.on).run)


def effects_of(
    application: Application, place: Callable[[Place], Host], note: Callable[[str], None] = lambda _: None
) -> tuple[Effect, ...]:
    """The switches of `application`, in the order in which they are applied; undo goes backwards.

    `note` gets sentences for the operator. Raises Refused for a `dns` switch without dnspython.
    """
    return tuple(
        effect_of(application.name, number, switch, place, note)
        for number, switch in enumerate(application.switches, start=1)
    )


def effect_of(
    application: str,
    number: int,
    switch: Switch,
    place: Callable[[Place], Host],
    note: Callable[[str], None] = lambda _: None,
) -> Effect:
    """The switch that stands at `number` in the list of `application`; raises as `effects_of`."""
    name = switch_name(number, switch)
    match switch:
        case Triple():
            return CommandEffect(application, name, switch, place(switch.on).run)
        case SymlinkSwitch():
            return SymlinkEffect(application, name, switch, place(switch.on))
        case DnsSwitch():
            return dns_effect(application, name, switch)
        case HaproxySwitch():
            runtime = runtime_at(place(switch.on), switch.socket)
            return HaproxyEffect(application, name, switch, runtime, note)
        case HttpSwitch():
            return HttpEffect(application, name, switch)
        case OwnSwitch():
            return OwnEffect(application, name, switch, place)
