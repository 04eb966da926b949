"""Switches of other packages, by the entry-point group `migrator.switches`; docs/own-switches.md is their contract.

Whatever such code does, its error is told with the name of its package, and a call that does not end is given up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from migrator.domain.acts import OwnSwitch
from migrator.domain.plan import Place
from migrator.endpoints.contract import Completed, Host
from migrator.errors import MigratorError, Refused
from migrator.planfile.own_kinds import own_kinds, package_of, told
from migrator.switching.deadline import Overdue, within
from migrator.switching.effect import Answer, Doubt

Result = TypeVar("Result")

# A package's `probe` says yes, no, or that it cannot tell.
_ANSWERS = {True: Answer.IN_PLACE, False: Answer.NOT_IN_PLACE, None: Answer.UNKNOWN}


class Hands:
    """What a switch of another package can reach: hosts of the plan, and the folder of the plan file."""

    def __init__(self, application: str, folder: Path, place: Callable[[Place], Host]) -> None:
        self.application = application
        self.folder = folder
        self._place = place

    def run(self, on: Place, argv: Sequence[str], timeout_seconds: float) -> Completed:
        """Run a command at the `source`, at the `target` or `here`; a command that fails is an answer, not an error."""
        return self._place(on).run(argv, timeout_seconds)


class OwnKind(Protocol):
    """What a package's class has; `prepare` may be missing."""

    def probe(self) -> bool | None:
        """Whether it is in place; None when that cannot be told."""

    def apply(self) -> None:
        """Put it in place; any exception means that only a probe knows how things stand."""

    def undo(self, prepared: str | None) -> None:
        """Take it back, given what `prepare` returned before `apply`."""


class OwnEffect:
    """An effect whose acts are another package's."""

    def __init__(self, application: str, name: str, switch: OwnSwitch, place: Callable[[Place], Host]) -> None:
        self.application = application
        self.name = name
        self.doubt: Doubt | None = None  # why the last probe's answer was unknown
        self._switch = switch
        self._hands = Hands(application, switch.folder, place)
        self._kind: OwnKind | None = None
        self._package = f"that brings `{switch.kind}`"

    def probe(self) -> Answer:
        """What the package's probe says; unknown when it does not end in time. Refused when it raises or babbles."""
        self.doubt = None
        try:
            said = self._call("probe", lambda kind: kind.probe())
        except _TooLate as error:
            self.doubt = Doubt(error.message, error.hint)
            return Answer.UNKNOWN
        if said is not None and not isinstance(said, bool):
            raise self._refusal("probe", f"returned {type(said).__name__}, not True, False or None")
        if said is None:
            self.doubt = Doubt(f"the package {self._package} cannot tell whether it is in place", None)
        return _ANSWERS[said]

    def prepare(self) -> str | None:
        """What the package wants to be given back in `undo`."""
        prepared = self._call("prepare", lambda kind: getattr(kind, "prepare", _nothing)())
        if prepared is not None and not isinstance(prepared, str):
            raise self._refusal("prepare", f"returned {type(prepared).__name__}, not text or None")
        return prepared

    def apply(self) -> None:
        """The package's `apply`; Refused when it raises or does not end in time."""
        self._call("apply", lambda kind: kind.apply())

    def undo(self, prepared: str | None) -> None:
        """The package's `undo`; Refused when it raises or does not end in time."""
        self._call("undo", lambda kind: kind.undo(prepared))

    def _call(self, verb: str, act: Callable[[OwnKind], Result]) -> Result:
        seconds = self._switch.timeout_seconds
        try:
            return within(seconds, lambda: act(self._made()))
        except MigratorError:
            raise  # ours, by way of `Hands`: a host that cannot be reached, a command line that is refused
        except Overdue as error:
            raise _TooLate(
                f"`{verb}` of {self.name} of `{self.application}` did not end within {seconds:g} s",
                hint=f"it is code of the package {self._package}; the next run asks the probe how things stand",
            ) from error
        except (Exception, SystemExit) as error:
            raise self._refusal(verb, f"failed: {told(error)}") from error

    def _made(self) -> OwnKind:
        """The package's object, made at the first call."""
        if self._kind is None:
            found = own_kinds().get(self._switch.kind)
            if found is None:
                raise Refused(
                    f"{self.name} of `{self.application}`: no installed package brings `{self._switch.kind}`",
                    hint="it was there when the plan was read: install it again",
                )
            self._package = f"`{package_of(found)}`"
            made: Any = found.load()
            self._kind = made(dict(self._switch.settings), self._hands)
        return self._kind

    def _refusal(self, verb: str, how: str) -> Refused:
        return Refused(
            f"`{verb}` of {self.name} of `{self.application}` {how}",
            hint=f"it is code of the package {self._package}; the next run asks the probe how things stand",
        )


class _TooLate(Refused):
    """The package's code did not end within the plan's time."""


def _nothing() -> None:
    """The `prepare` of a kind that has none."""
