"""A switch that an HTTP interface carries out: a load balancer, a chat-ops service."""

from __future__ import annotations

from migrator.domain.acts import HttpCall, HttpSwitch
from migrator.errors import Refused
from migrator.switching.effect import Answer, Doubt
from migrator.switching.quoting import brief
from migrator.switching.requests import Unanswered, ask

# Answers about us or the moment, not about the effect: who are you, not so fast, try again.
_TELLS_NOTHING = frozenset({401, 403, 407, 408, 425, 429})


class HttpEffect:
    """An effect made of three requests."""

    def __init__(self, application: str, name: str, switch: HttpSwitch) -> None:
        self.application = application
        self.name = name
        self.doubt: Doubt | None = None  # why the last probe's answer was unknown
        self._switch = switch

    def probe(self) -> Answer:
        """The expected status is yes, another of 2xx or 4xx no; the rest, and no answer in time, is unknown."""
        call = self._switch.probe
        self.doubt = None
        try:
            status = ask(call, self._switch.timeout_seconds, self._switch.token_file).status
        except Unanswered as error:
            self.doubt = Doubt(f"{call.method} {call.url} was not answered: {error}", None)
            return Answer.UNKNOWN
        if status == call.status:
            return Answer.IN_PLACE
        if status // 100 in (2, 4) and status not in _TELLS_NOTHING:
            return Answer.NOT_IN_PLACE
        self.doubt = Doubt(f"{call.method} {call.url} was answered with {status}, which is neither yes nor no", None)
        return Answer.UNKNOWN

    def prepare(self) -> str | None:
        """Nothing: the plan's `undo` knows what to ask for."""
        return None

    def apply(self) -> None:
        """Make the request of `apply`; Refused, with the end of the answer, unless it has the expected status."""
        self._act("apply", self._switch.apply)

    def undo(self, prepared: str | None) -> None:  # noqa: ARG002 - the protocol's; a request needs nothing
        """Make the request of `undo`; Refused, with the end of the answer, unless it has the expected status."""
        self._act("undo", self._switch.undo)

    def _act(self, verb: str, call: HttpCall) -> None:
        try:
            reply = ask(call, self._switch.timeout_seconds, self._switch.token_file)
        except Unanswered as error:
            how = f"was not answered: {error}"
        else:
            if reply.status == call.status:
                return
            said = brief(reply.body)
            how = f"was answered with {reply.status} instead of {call.status}" + (f": {said}" if said else "")
        raise Refused(
            f"`{verb}` of {self.name} of `{self.application}` {how}",
            hint=f"the request was {call.method} {call.url}; the next run asks the probe how things stand",
        )
