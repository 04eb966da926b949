"""Smoke checks: is what users will find, or have found, as the plan expects? Each is tried again until its deadline."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from migrator.domain.acts import Check, CommandCheck, HttpCall, HttpCheck, SameOutput, TcpCheck
from migrator.domain.entries import display
from migrator.domain.plan import Application, Place
from migrator.domain.reports import CheckOutcome, Moment
from migrator.domain.stopping import Stop
from migrator.endpoints.contract import OUTPUT_LIMIT_BYTES, Completed, Host
from migrator.errors import EndpointUnavailable
from migrator.switching.quoting import quoted
from migrator.switching.requests import Unanswered, ask

_AGAIN_SECONDS = 2.0
# One try on the network; a command may take all the time that is left.
_TRY_SECONDS = 15.0
_SHOWN_CHARACTERS = 120

Try = Callable[[float], str | None]  # given how many seconds it may take: what is wrong, or None


@dataclass(frozen=True)
class Checking:
    """What checks need of the run they belong to."""

    place: Callable[[Place], Host]
    stop: Stop


def make_checks(application: Application, moment: Moment, checking: Checking) -> list[CheckOutcome]:
    """How each check that the plan wants at that moment fared, in the order of the plan; none stops the others.

    Raises Interrupted when a stop is asked for, LocalFault when this machine lacks what a check needs.
    """
    wanted = [(n, each) for n, each in enumerate(application.checks, start=1) if each.when in (moment, "always")]
    return [_outcome(f"check {number} ({_kind(check)})", check, moment, checking) for number, check in wanted]


def _outcome(name: str, check: Check, moment: Moment, checking: Checking) -> CheckOutcome:
    """Try until nothing is wrong or the time is over; what was wrong at the last try is told."""
    began = time.monotonic()
    attempt = _tries(check, checking.place)
    while True:
        checking.stop.check()
        left = began + check.timeout_seconds - time.monotonic()
        try:
            wrong = attempt(max(1.0, left))
        except EndpointUnavailable as error:
            wrong = str(error)
        spent = time.monotonic() - began
        if wrong is None or spent + _AGAIN_SECONDS >= check.timeout_seconds:
            return CheckOutcome(name, moment, wrong is None, wrong, spent)
        checking.stop.wait(_AGAIN_SECONDS)


def _kind(check: Check) -> str:
    match check:
        case HttpCheck():
            return "http"
        case SameOutput():
            return "same_output"
        case TcpCheck():
            return "tcp"
        case CommandCheck():
            return "command"


def _tries(check: Check, place: Callable[[Place], Host]) -> Try:
    match check:
        case HttpCheck():
            return lambda seconds: _http(check, min(seconds, _TRY_SECONDS))
        case SameOutput():
            return lambda seconds: _same_output(check, place, seconds)
        case TcpCheck():
            return lambda seconds: _tcp(check, min(seconds, _TRY_SECONDS))
        case CommandCheck():
            return lambda seconds: _command(check, place, seconds)


def _http(check: HttpCheck, seconds: float) -> str | None:
    try:
        reply = ask(HttpCall("GET", check.url), seconds)
    except Unanswered as error:
        return f"{check.url} did not answer: {error}"
    if reply.status != check.status:
        return f"{check.url} answered with {reply.status} instead of {check.status}"
    if check.contains is not None and check.contains.encode() not in reply.body:
        return f"the answer of {check.url} does not hold `{display(check.contains.encode())}`"
    return None


def _tcp(check: TcpCheck, seconds: float) -> str | None:
    try:
        socket.create_connection((check.host, check.port), seconds).close()
    except OSError as error:
        return f"{check.host}:{check.port} does not take connections: {error.strerror or error}"
    return None


def _command(check: CommandCheck, place: Callable[[Place], Host], seconds: float) -> str | None:
    return _failure(place(check.on).run(check.argv, seconds), f"at the {check.on} " if check.on != "here" else "")


def _same_output(check: SameOutput, place: Callable[[Place], Host], seconds: float) -> str | None:
    source = place("source").run(check.argv, seconds)
    target = place("target").run(check.argv, seconds)
    for side, completed in (("source", source), ("target", target)):
        failure = _failure(completed, f"at the {side} ")
        if failure is not None:
            return failure
        if len(completed.stdout) >= OUTPUT_LIMIT_BYTES:
            return f"the output at the {side} is longer than {OUTPUT_LIMIT_BYTES // 1024} KiB, too long to compare"
    return _difference(source.stdout, target.stdout)


def _failure(completed: Completed, where: str) -> str | None:
    if completed.status == 0:
        return None
    if completed.status is None:
        return f"the command {where}did not end in time{quoted(completed)}"
    return f"the command {where}exited {completed.status}{quoted(completed)}"


def _difference(source: bytes, target: bytes) -> str | None:
    """The first line in which the two differ."""
    if source == target:
        return None
    ours, theirs = source.splitlines(keepends=True), target.splitlines(keepends=True)
    same = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    return f"line {same + 1} differs: {_line(ours, same)} at the source, {_line(theirs, same)} at the target"


def _line(lines: list[bytes], number: int) -> str:
    if number >= len(lines):
        return "nothing"
    text = display(lines[number])
    return f"`{text[:_SHOWN_CHARACTERS]}…`" if len(text) > _SHOWN_CHARACTERS else f"`{text}`"
