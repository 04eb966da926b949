"""Traffic of an HAProxy backend moved from one server to another in one command, once the new one is known to be up."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from enum import IntFlag
from typing import NamedTuple, NoReturn

from migrator.domain.acts import HaproxySwitch
from migrator.errors import Refused
from migrator.switching.effect import Answer, Doubt
from migrator.switching.haproxy_socket import Ask, NoAnswer
from migrator.switching.quoting import brief

_LOOK_SECONDS = 0.1
_RUNNING = "2"
_PASSED = frozenset({"3", "4"})


class Admin(IntFlag):
    """`srv_admin_state`: what keeps a server out of traffic, as section 9.3 "show servers state" lists it."""

    MAINT = 0x01 | 0x02 | 0x20  # asked for, inherited, or its name cannot be resolved
    DRAIN = 0x08 | 0x10  # asked for, inherited


class Check(IntFlag):
    """`srv_check_state`."""

    CONFIGURED = 0x02
    PAUSED = 0x08


class Server(NamedTuple):
    """How HAProxy treats one server."""

    name: str
    admin: int
    is_up: bool

    @property
    def is_ready(self) -> bool:
        """Whether it may get new requests, if it is up."""
        return not self.admin & (Admin.MAINT | Admin.DRAIN)

    @property
    def word(self) -> str:
        """Its state as `set server ... state` takes it."""
        if self.admin & Admin.MAINT:
            return "maint"
        return "drain" if self.admin & Admin.DRAIN else "ready"

    def __str__(self) -> str:
        return f"`{self.name}` is {self.word} and {'UP' if self.is_up else 'DOWN'}"


class HaproxyEffect:
    """A backend whose traffic goes to the new server alone."""

    def __init__(
        self, application: str, name: str, switch: HaproxySwitch, ask: Ask, note: Callable[[str], None] = lambda _: None
    ) -> None:
        self.application = application
        self.name = name
        self.doubt: Doubt | None = None  # why the last probe's answer was unknown
        self._switch = switch
        self._ask = ask
        self._note = note

    def probe(self) -> Answer:
        """In place when the new server is ready and up and the old one gets nothing new.

        Half-way when both are ready, or the new one alone and it is down: so that going back is possible then. Unknown
        when neither is ready, or the socket does not answer. Refused when HAProxy does not know a name.
        """
        self.doubt = None
        try:
            old, new = self._look()
        except NoAnswer as error:
            self.doubt = Doubt(error.message, error.hint)
            return Answer.UNKNOWN
        if old.is_ready:
            return Answer.HALF_WAY if new.is_ready else Answer.NOT_IN_PLACE
        if new.is_ready:
            return Answer.IN_PLACE if new.is_up else Answer.HALF_WAY
        self.doubt = Doubt(f"{old}, {new}: neither takes requests", "make the one ready that users shall reach")
        return Answer.UNKNOWN

    def prepare(self) -> str:
        """What the new server was: `maint` or `drain`. Refused when it takes requests already.

        A run that is cut off while it waits for the new server leaves it in `drain`, which is then what it was.
        """
        old, new = self._look()
        if new.is_ready:
            raise Refused(
                f"{self.name} of `{self.application}`: {old}, {new}: the new server takes requests before the switch",
                hint=f"take it out first: `set server {self._switch.backend}/{new.name} state maint`",
            )
        return new.word

    def apply(self) -> None:
        """Have the new server checked, give it the traffic when it is up, wait until the old one's sessions have ended.

        Refused when the new one does not come up in time; it is then what it was, and the old one goes on.
        """
        self._hand_over(to=self._switch.to_server, of=self._switch.from_server)

    def undo(self, prepared: str | None) -> None:
        """The same backwards; the new server ends as it was found. Refused when the old one does not come up."""
        if prepared not in ("maint", "drain"):
            raise Refused(
                f"{self.name} of `{self.application}`: no record of what `{self._switch.to_server}` was before",
                hint="the switch was in place before this migration came to it; set both servers by hand",
            )
        self._hand_over(to=self._switch.from_server, of=self._switch.to_server)
        self._set(f"{self._switch.to_server} state {prepared}")

    def _hand_over(self, *, to: str, of: str) -> None:
        former = self._server(to).word
        if former != "ready":
            self._set(f"{to} state drain")  # its health is checked from now on, and it gets nothing yet
        until = time.monotonic() + self._switch.timeout_seconds
        while not self._server(to).is_up:
            if time.monotonic() >= until:
                if former != "ready":
                    self._set(f"{to} state {former}")
                raise Refused(
                    f"{self.name} of `{self.application}`: `{to}` did not come up within "
                    f"{self._switch.timeout_seconds:g} s; {self._server(of)}",
                    hint="see its health check in HAProxy; the same command tries again",
                )
            time.sleep(_LOOK_SECONDS)
        # In one breath: while both take requests, a user may not find with one what the other has just accepted.
        self._set(f"{to} state ready", f"{of} state drain")
        self._wait_for_sessions(of)

    def _wait_for_sessions(self, server: str) -> None:
        until = time.monotonic() + self._switch.timeout_seconds
        while (sessions := self._sessions(server)) > 0:
            if time.monotonic() >= until:
                self._note(
                    f"{self.name}: `{server}` gets nothing new, and {sessions} of its sessions have not ended "
                    f"after {self._switch.timeout_seconds:g} s"
                )
                return
            time.sleep(_LOOK_SECONDS)

    def _look(self) -> tuple[Server, Server]:
        """The old server and the new one."""
        found = self._servers()
        return self._known(found, self._switch.from_server), self._known(found, self._switch.to_server)

    def _server(self, name: str) -> Server:
        return self._known(self._servers(), name)

    def _known(self, found: dict[str, Server], name: str) -> Server:
        if name not in found:
            self._refuse(f"No such server: {name}", f"show servers state {self._switch.backend}")
        return found[name]

    def _servers(self) -> dict[str, Server]:
        command = f"show servers state {self._switch.backend}"
        said = self._ask(command)
        lines = said.strip().splitlines()
        if len(lines) < 2 or lines[0] != "1" or not lines[1].startswith("# "):
            self._refuse(said, command)
        heads = lines[1].removeprefix("# ").split()
        rows = (dict(zip(heads, line.split(), strict=False)) for line in lines[2:])
        return {server.name: server for server in map(_server_of, rows)}

    def _sessions(self, server: str) -> int:
        command = f"show stat {self._switch.backend} 4 -1"  # 4: servers; -1: all of them
        said = self._ask(command)
        if not said.startswith("# "):
            self._refuse(said, command)
        rows = csv.DictReader(said.removeprefix("# ").splitlines())
        return sum(int(row["scur"]) for row in rows if row["svname"] == server)

    def _set(self, *states: str) -> None:
        command = "; ".join(f"set server {self._switch.backend}/{state}" for state in states)
        said = self._ask(command)
        if said.strip():
            self._refuse(said, command)

    def _refuse(self, said: str, command: str) -> NoReturn:
        raise Refused(
            f"{self.name} of `{self.application}`: HAProxy answers {brief(said.encode())!r} to `{command}`",
            hint="see the names of the backend and its servers, and that `stats socket` has `level admin`",
        )


def _server_of(row: dict[str, str]) -> Server:
    """A server without a health check is up as soon as it is ready; with one, when a check has passed."""
    check = int(row["srv_check_state"])
    is_healthy = not check & Check.CONFIGURED or (row["srv_check_result"] in _PASSED and not check & Check.PAUSED)
    return Server(row["srv_name"], int(row["srv_admin_state"]), row["srv_op_state"] == _RUNNING and is_healthy)
