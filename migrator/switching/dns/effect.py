"""The `dns` switch as an effect: one update compares and swaps, and all servers are asked until they agree."""

from __future__ import annotations

import time
from typing import NamedTuple, NoReturn

import dns.rcode
import dns.rdataset

from migrator.domain.plan import DnsSwitch, NameServer
from migrator.errors import EndpointUnavailable, Refused
from migrator.switching.dns.key import key_of
from migrator.switching.dns.looking import Standing, standing
from migrator.switching.dns.record import Record, pack, shown, unpack
from migrator.switching.dns.servers import CONDITIONS, ask, send
from migrator.switching.effect import Answer, Doubt

# How long servers that do not agree yet are left alone before they are asked again: at first, and at most.
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0


class _Seen(NamedTuple):
    """What one round of questions brought back."""

    ahead: int  # servers that give exactly the new value
    behind: tuple[str, ...]  # the others that answered, with what they give, for people
    doubt: Doubt | None  # about the first that gave no answer


class DnsEffect:
    """A record that says what the plan wants, at every server that the plan names."""

    def __init__(self, application: str, name: str, switch: DnsSwitch) -> None:
        self.application = application
        self.name = name
        self.doubt: Doubt | None = None
        self._switch = switch
        self._record = Record.of(switch)
        self._before: Standing | None = None

    def probe(self) -> Answer:
        """In place when all servers give exactly the new value, not in place when none does.

        While only some do, they are asked again until the plan's timeout is over. Then, and when none does and not all
        answer, it is unknown, and `doubt` says why.
        """
        deadline = time.monotonic() + self._switch.timeout_seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            seen = self._look_around()
            self.doubt = None
            if seen.ahead == len(self._switch.servers):
                return Answer.IN_PLACE
            if seen.ahead == 0 and seen.doubt is None:
                return Answer.NOT_IN_PLACE
            if seen.ahead == 0 or time.monotonic() + pause > deadline:
                self.doubt = seen.doubt or self._disagreement(seen.behind)
                return Answer.UNKNOWN
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def prepare(self) -> str | None:
        """The values and the time to live that stand there now, or that there are none.

        Refused when the new value is there already, something else stands in its way, or the server takes no update.
        """
        self._before = standing(self._switch, self._record)
        if self._record.is_said_by(self._before.own):
            self._refuse(
                f"{self._record} was changed by somebody else just now",
                "the next run asks the probe how things stand",
            )
        return pack(self._before.own)

    def apply(self) -> None:
        """Replace what `prepare` saw by the new value; Refused when something else stands there by now."""
        assert self._before is not None, "prepare comes first"
        before = self._before.own
        outcome = self._swap(before, self._record.wanted)
        if outcome in CONDITIONS and not self._record.is_said_by(self._ask(self._switch.server)):
            self._refuse(
                f"{self._record} no longer says {shown(before)}, or something else stands at that name "
                f"({dns.rcode.to_text(outcome)}); nothing was changed",
                "find out who changed it; the next run starts from what stands there then",
            )

    def undo(self, prepared: str | None) -> None:
        """Give the record its former values and time to live; one that no longer says ours is left alone."""
        if prepared is None:
            self._refuse(
                f"no record of what {self._record} said before",
                "the new value was already there when the switch came to it; set it by hand, then run this again",
            )
        self._swap(self._record.wanted, unpack(prepared, self._record.kind))

    def _swap(self, expected: dns.rdataset.Rdataset | None, new: dns.rdataset.Rdataset | None) -> dns.rcode.Rcode:
        # The key is read for each update: it can be changed meanwhile, and no secret waits in memory.
        return send(self._switch.server, self._record.replacing(expected, new, key_of(self._switch)))

    def _look_around(self) -> _Seen:
        ahead, behind, doubts = 0, [], []
        for server in self._switch.servers:
            try:
                records = self._ask(server)
            except (Refused, EndpointUnavailable) as error:
                doubts.append(Doubt(error.message, error.hint))
                continue
            if self._record.is_said_by(records):
                ahead += 1
            else:
                behind.append(f"{server} gives {shown(records)}")
        return _Seen(ahead, tuple(behind), doubts[0] if doubts else None)

    def _ask(self, server: NameServer) -> dns.rdataset.Rdataset | None:
        return ask(server, self._record.name, self._record.kind).records

    def _disagreement(self, behind: tuple[str, ...]) -> Doubt:
        return Doubt(
            f"not all servers agree on {self._record} after {self._switch.timeout_seconds:g} s: {'; '.join(behind)}",
            "see why they lag behind (notify, transfers); the same command asks again and goes on when they agree",
        )

    def _refuse(self, what: str, hint: str) -> NoReturn:
        raise Refused(f"{self.name} of `{self.application}`: {what}", hint=hint)
