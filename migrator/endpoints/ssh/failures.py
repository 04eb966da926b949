"""The one door where a failed SSH connection becomes an error: what happened, to which endpoint, and what to do."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from migrator.domain.entries import display
from migrator.domain.plan import EndpointSpec
from migrator.endpoints.ssh.route import host_of, ssh_of
from migrator.errors import HostKeyRefused, LoginRefused, MigratorError, Unreachable

# What a server may say in one of our sentences.
_WORDS_LIMIT = 300


class Transient(Unreachable):
    """A refusal by `endpoint` before any login that may pass by itself; worth `attempts` tries in all.

    `is_crowding` says that it may have too many connections.
    """

    # The defaults are for pickle, which brings the real values afterwards.
    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        endpoint: str = "",
        attempts: int = 1,
        is_crowding: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.endpoint = endpoint
        self.is_crowding = is_crowding
        self.attempts = attempts


class NoCommand(Unreachable):
    """The login went well, but the server refused to run the command, or the command ended by itself."""


class Failure(Enum):
    """How a connection can fail."""

    UNKNOWN_KEY = auto()
    CHANGED_KEY = auto()
    REVOKED_KEY = auto()
    LOGIN_REFUSED = auto()
    UNKNOWN_NAME = auto()
    CONNECTION_REFUSED = auto()
    UNREACHABLE = auto()
    TIMED_OUT = auto()
    DROPPED = auto()  # closed or reset before the server's banner, as an overloaded server does
    NO_COMMON_ALGORITHM = auto()
    NO_SFTP = auto()
    SFTP_ENDED = auto()
    NO_COMMAND = auto()
    LOST = auto()  # ended after it was up, or in the middle of the login
    UNCLEAR = auto()


class _Wording(NamedTuple):
    sentence: str
    hint: str


# `{scan}` is the command that shows a server's keys.
_COMPARE = (
    "ask the provider for the fingerprint by another way, compare it with `{scan} | ssh-keygen -lf -`, "
    "and only then write the key under `host_keys` in the plan"
)
_WORDINGS = {
    Failure.UNKNOWN_KEY: _Wording("its host key is not known, so nobody logged in", _COMPARE),
    Failure.CHANGED_KEY: _Wording(
        "its host key is not the one that was agreed, so nobody logged in",
        "somebody may be listening in: " + _COMPARE,
    ),
    Failure.REVOKED_KEY: _Wording("its host key is marked as revoked, so nobody logged in", _COMPARE),
    Failure.LOGIN_REFUSED: _Wording(
        "the login was refused",
        "check `user` and `identity_file`, and that the account there accepts this key; "
        "a key with a passphrase must be in ssh-agent",
    ),
    Failure.UNKNOWN_NAME: _Wording("the host name is not known", "check `host` in the plan and the name service"),
    Failure.CONNECTION_REFUSED: _Wording(
        "the connection was refused", "check `host` and `port`, and that the SSH server is running"
    ),
    Failure.UNREACHABLE: _Wording("the host cannot be reached", "check the network and the firewalls on the way"),
    Failure.TIMED_OUT: _Wording("no answer in time", "check `host`, `port` and the firewalls on the way"),
    Failure.DROPPED: _Wording(
        "the server closed the connection before it said a word",
        "it may have too many connections: lower `limits.connections`, or wait until it lets this address in again",
    ),
    Failure.NO_COMMON_ALGORITHM: _Wording(
        "the server offers no algorithm that is still fit for use",
        "an alias of your ssh_config with `connector: openssh` can allow older ones",
    ),
    Failure.NO_SFTP: _Wording(
        "the server has no SFTP for this account", "ask the provider to enable the `sftp` subsystem for it"
    ),
    Failure.SFTP_ENDED: _Wording(
        "the SFTP server there ended by itself",
        "ask the provider whether this account may use SFTP; try `sftp` by hand to see what it says",
    ),
    Failure.NO_COMMAND: _Wording(
        "the command there was refused or ended by itself",
        "the account needs a shell and python3 for `lane: agent`; `lane: sftp` does without both",
    ),
    Failure.LOST: _Wording("the connection was lost", "type the same command again to go on"),
    Failure.UNCLEAR: _Wording("the connection failed", "try it by hand: `ssh -v` to the same host shows more"),
}
_SAFETY = frozenset({Failure.UNKNOWN_KEY, Failure.CHANGED_KEY, Failure.REVOKED_KEY})
_KINDS = {Failure.NO_COMMAND: NoCommand, Failure.LOGIN_REFUSED: LoginRefused}
# A refused connection is most often a wrong port, which the operator should hear of soon.
_ATTEMPTS = {Failure.CONNECTION_REFUSED: 4, Failure.DROPPED: 8}


def connection_error(failure: Failure, spec: EndpointSpec, words: bytes = b"") -> MigratorError:
    """The error to raise; `words` are what ssh or the server said, untrusted and of any length."""
    wording = _WORDINGS[failure]
    said = _quoted(words)
    message = f"endpoint `{spec.name}`: {wording.sentence}" + (f" ({said})" if said else "")
    hint = wording.hint.format(scan=_scan_command(spec))
    if failure in _SAFETY:
        return HostKeyRefused(message, hint=hint)
    if failure in _ATTEMPTS:
        is_crowding = failure is Failure.DROPPED
        return Transient(message, hint=hint, endpoint=spec.name, attempts=_ATTEMPTS[failure], is_crowding=is_crowding)
    return _KINDS.get(failure, Unreachable)(message, hint=hint)


def last_line(text: bytes) -> bytes:
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else b""


def _quoted(words: bytes) -> str:
    shown = display(words[: 4 * _WORDS_LIMIT].strip())
    return shown if len(shown) <= _WORDS_LIMIT else shown[:_WORDS_LIMIT] + "..."


def _scan_command(spec: EndpointSpec) -> str:
    port = ssh_of(spec).port
    return f"ssh-keyscan {host_of(spec)}" if port == 22 else f"ssh-keyscan -p {port} {host_of(spec)}"
