"""The `dns` switch as an effect: one update compares and swaps, and all servers are asked until they agree."""

from __future__ import annotations

import time
from typing import NoReturn

import dns.rcode
import dns.rdataset

from migrator.domain.plan import DnsSwitch, NameServer
from migrator.errors import EndpointUnavailable, Refused
from migrator.switching.dns.key import read_key
from migrator.switching.dns.record import Record, pack, shown, unpack
from migrator.switching.dns.servers import CONDITIONS, Found, ask, send
from migrator.switching.effects import Answer, Doubt

# How long servers that do not agree yet are left alone before they are asked again: at first, and at most.
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0


class DnsEffect:
    """A record that says what the plan wants, at every server that the plan names."""

    def __init__(self, application: str, name: str, switch: DnsSwitch) -> None:
        self.application = application
        self.name = name
        self.doubt: Doubt | None = None
        self._switch = switch
        self._record = Record.of(switch)
        self._before: Found | None = None

    def probe(self) -> Answer:
        """In place when all servers give exactly the new value, not in place when none does.

        While some do and some do not, they are asked again until the plan's timeout is over; then, and when a server
        gives no answer, it is unknown, and `doubt` says why.
        """
        self.doubt = None
        deadline = time.monotonic() + self._switch.timeout_seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                behind = self._behind()
            except (Refused, EndpointUnavailable) as error:
                self.doubt = Doubt(error.message, error.hint)
                return Answer.UNKNOWN
            if not behind:
                return Answer.IN_PLACE
            if len(behind) == len(self._switch.servers):
                return Answer.NOT_IN_PLACE
            if time.monotonic() + pause > deadline:
                self.doubt = self._disagreement(behind)
                return Answer.UNKNOWN
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def prepare(self) -> str | None:
        """The values and the time to live that stand there now, or that there are none.

        Refused when a CNAME stands in the way, or the new value is there already.
        """
        found = self._found(self._switch.server)
        if found.alias is not None:
            self._refuse(
                f"{self._record.at} is an alias (CNAME) of {found.alias}",
                "let the plan change the CNAME, or replace it by hand first",
            )
        if self._record.is_said_by(found.records):
            self._refuse(
                f"{self._record} was changed by somebody else just now",
                "the next run asks the probe how things stand",
            )
        self._before = found
        return pack(found.records)

    def apply(self) -> None:
        """Replace what `prepare` saw by the new value; Refused when something else stands there by now."""
        assert self._before is not None, "prepare comes first"
        before = self._before.records
        outcome = self._swap(before, self._record.wanted)
        if outcome in CONDITIONS and not self._record.is_said_by(self._found(self._switch.server).records):
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
        key = read_key(self._switch.key_file) if self._switch.key_file else None
        return send(self._switch.server, self._record.replacing(expected, new, key))

    def _behind(self) -> list[tuple[NameServer, Found]]:
        """The servers that do not give exactly the new value, each with what it gives."""
        found = [(server, self._found(server)) for server in self._switch.servers]
        return [(server, each) for server, each in found if not self._record.is_said_by(each.records)]

    def _found(self, server: NameServer) -> Found:
        return ask(server, self._record.name, self._record.kind)

    def _disagreement(self, behind: list[tuple[NameServer, Found]]) -> Doubt:
        given = "; ".join(f"{server} gives {shown(found.records)}" for server, found in behind)
        return Doubt(
            f"not all servers agree on {self._record} after {self._switch.timeout_seconds:g} s: {given}",
            "see why they lag behind (notify, transfers); the same command asks again and goes on when they agree",
        )

    def _refuse(self, what: str, hint: str) -> NoReturn:
        raise Refused(f"{self.name} of `{self.application}`: {what}", hint=hint)
