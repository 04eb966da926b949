"""Everything that can go wrong on purpose: one class an exit code, each with a hint for the person at the keyboard."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, NamedTuple


class MigratorError(Exception):
    """An error that is shown as an ``error:`` line, a ``hint:`` line and an exit code, never as a traceback."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details  # every item the error is about, named for people


class UsageError(MigratorError):
    """The command line makes no sense."""

    exit_code = 2


class Incomplete(MigratorError):
    """Items failed, or differences were found."""

    exit_code = 3


class Refused(MigratorError):
    """A gate or a guard said no: approval missing, freeze not proven, preflight failed."""

    exit_code = 4


class SourceMoved(Refused):
    """The source changed although it should be frozen: the application goes back to its freeze."""


class Unproven(Refused):
    """Not everything is verified as it stands and as the plan has it: the application goes back to its freeze."""


class ChecksFailed(Refused):
    """Smoke checks failed. Before the switch it does not begin; after it, this is what `on_failure` is about."""


class WindowOver(MigratorError):
    """The window is over; the next one goes on."""

    exit_code = 5


class Held(MigratorError):
    """Another run holds this application or this target."""

    exit_code = 6


class PlanChanged(MigratorError):
    """The plan is no longer the one that was recorded."""

    exit_code = 7


class SafetyStop(MigratorError):
    """Going on could do harm: a changed host key, a hostile listing, a source that is suddenly empty."""

    exit_code = 8


class HostKeyRefused(SafetyStop):
    """A host key is not known, not the agreed one, or revoked: nobody logged in."""


class LocalFault(MigratorError):
    """This machine: disk full, state unreadable, corrupt or newer than this version."""

    exit_code = 9


class EndpointUnavailable(MigratorError):
    """An endpoint cannot be reached, or refuses us."""

    exit_code = 10


class Unreachable(EndpointUnavailable):
    """No connection with the endpoint came about, or it was lost."""


class LoginRefused(EndpointUnavailable):
    """The host answers, and does not let this account in."""


class Complaint(NamedTuple):
    """One thing that is wrong in a plan, and where; `line` and `column` count from 1."""

    file: str
    line: int
    column: int
    message: str
    hint: str


class PlanInvalid(MigratorError):
    """The text of the plan is wrong; `complaints` has every place, and none when the file cannot be read."""

    exit_code = 11

    def __init__(self, message: str, *, hint: str | None = None, complaints: tuple[Complaint, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.complaints = complaints


class Interrupted(MigratorError):
    """Stopped in good order by a signal; the same command goes on."""

    def __init__(self, signal_number: int) -> None:
        super().__init__("stopped as asked", hint="type the same command again to go on")
        self.signal_number = signal_number


# Most serious first (docs/command-line.md); a code that is not listed counts as a bug.
SERIOUSNESS = (1, 130, 143, 2, 8, 9, 7, 6, 11, 10, 4, 3, 5)


def exit_code_of(error: BaseException) -> int:
    """The exit code that stands for `error`; 1 for anything that is not a MigratorError."""
    if isinstance(error, Interrupted):
        return 128 + error.signal_number
    return error.exit_code if isinstance(error, MigratorError) else 1


def most_serious(codes: Iterable[int]) -> int:
    """The code that speaks for several applications; 0 when there is none but 0."""
    return min((code for code in codes if code != 0), key=_rank, default=0)


def _rank(code: int) -> int:
    return SERIOUSNESS.index(code) if code in SERIOUSNESS else 0
