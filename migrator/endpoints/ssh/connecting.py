"""Which connector speaks to an endpoint, and the one place where a refused connection is tried again."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import tenacity

from migrator.domain.plan import EndpointSpec
from migrator.endpoints.allowance import PATIENCE_SECONDS, UNLIMITED, Allowance
from migrator.endpoints.contract import Completed
from migrator.endpoints.ssh.channel import Channel, Connector
from migrator.endpoints.ssh.failures import Transient
from migrator.endpoints.ssh.openssh import OpensshConnector
from migrator.endpoints.ssh.route import HANDSHAKE_SECONDS, jumps_to

T = TypeVar("T")


def connector_for(
    spec: EndpointSpec, endpoints: Mapping[str, EndpointSpec], allowance: Allowance = UNLIMITED
) -> Connector:
    """The connector to `spec`, which may jump through other `endpoints`; contacts nobody yet.

    It logs in through the door of `allowance`. `run` is tried again after refusals that pass by themselves.
    PlanInvalid for names that SSH cannot be given.
    """
    jumps = jumps_to(spec, endpoints)
    uses_openssh = spec.connector == "openssh" or (spec.connector == "auto" and shutil.which("ssh") is not None)
    if uses_openssh:
        return _Patient(OpensshConnector(spec, jumps, allowance.door), allowance)
    from migrator.endpoints.ssh.paramiko_ssh import ParamikoConnector  # noqa: PLC0415 - paramiko takes long to import

    return _Patient(ParamikoConnector(spec, jumps, allowance.door), allowance)


def open_session(
    open_channel: Callable[[], Channel], handshake: Callable[[Channel], T], allowance: Allowance = UNLIMITED
) -> T:
    """What `handshake` makes of the channel opened, which then belongs to it; tried again after passing refusals.

    `handshake` speaks first and raises EOFError or OSError when the channel falls silent; it has 20 s, and 30 s
    altogether. Raises SafetyStop for host keys and EndpointUnavailable for everything else that connections do;
    what else `handshake` raises passes through, the channel closed.
    """
    return _patiently(lambda: _open_once(open_channel, handshake), allowance)


def _open_once(open_channel: Callable[[], Channel], handshake: Callable[[Channel], T]) -> T:
    channel = open_channel()
    try:
        with _interrupted_after(HANDSHAKE_SECONDS, channel):
            return handshake(channel)
    except (EOFError, OSError) as error:
        try:
            raise channel.explain() from error
        finally:
            channel.close()
    except BaseException:
        channel.close()
        raise


@contextlib.contextmanager
def _interrupted_after(seconds: float, channel: Channel) -> Iterator[None]:
    watchdog = threading.Timer(seconds, channel.interrupt)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()
        watchdog.join()


class _Patient:
    """A connector whose commands are tried again when the connection was refused before any login."""

    def __init__(self, inner: Connector, allowance: Allowance) -> None:
        self._inner = inner
        self._allowance = allowance
        self.open_sftp = inner.open_sftp
        self.open_command = inner.open_command
        self.close = inner.close

    @property
    def peer(self) -> str:
        return self._inner.peer

    def run(self, argv: Sequence[str], timeout_seconds: float, *, holds_input: bool = False) -> Completed:
        return _patiently(lambda: self._inner.run(argv, timeout_seconds, holds_input=holds_input), self._allowance)


def _patiently(act: Callable[[], T], allowance: Allowance) -> T:
    trying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Transient),
        wait=tenacity.wait_exponential(multiplier=0.25, max=4) + tenacity.wait_random(0, 0.5),
        stop=_TriedEnough(allowance),
        reraise=True,
    )
    return trying(act)


class _TriedEnough(tenacity.stop.stop_base):
    """Stop after as many attempts as the refusal is worth, or when the allowance has no more patience."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        error = retry_state.outcome.exception() if retry_state.outcome is not None else None
        if not isinstance(error, Transient):
            return False
        patience_seconds = self._allowance.try_again_seconds(is_crowding=error.is_crowding)
        if patience_seconds <= PATIENCE_SECONDS and retry_state.attempt_number >= error.attempts:
            return True
        return (retry_state.seconds_since_start or 0.0) + retry_state.upcoming_sleep >= patience_seconds
