"""What the log of OpenSSH's client says about a connection, from its own fixed sentences (sshconnect.c, clientloop.c).

ssh writes it with `-E`, apart from what the server writes to standard error, so that a server cannot imitate it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from migrator.domain.plan import EndpointSpec
from migrator.endpoints.ssh.failures import Failure, connection_error, last_line
from migrator.endpoints.ssh.route import ssh_of
from migrator.errors import MigratorError

_BANNER = re.compile(rb"remote software version ([^\r\n]{1,120})")
_HOST_KEY = re.compile(rb"Server host key: (\S+ \S+)")
_LOGGED_IN = b"Authenticated to "
_IN_SESSION = (b"Sending command: ", b"Sending subsystem: ")
_HAS_STATUS = re.compile(rb"rtype exit-(status|signal)")

_NOT_FOR_PEOPLE = (b"debug", _LOGGED_IN, b"Transferred: ", b"Bytes per second: ")

# In the order of their weight: a host key counts before whatever else went wrong.
_KEY_SENTENCES = (
    (re.compile(rb"REMOTE HOST IDENTIFICATION HAS CHANGED"), Failure.CHANGED_KEY),
    (re.compile(rb"REVOKED HOST KEY|is marked as revoked"), Failure.REVOKED_KEY),
    (re.compile(rb"Host key verification failed|you have requested strict checking"), Failure.UNKNOWN_KEY),
)
_SENTENCES = (
    (re.compile(rb"Permission denied|Too many authentication failures|No more authentication"), Failure.LOGIN_REFUSED),
    (re.compile(rb"Could not resolve hostname|Name or service not known"), Failure.UNKNOWN_NAME),
    (re.compile(rb"Unable to negotiate"), Failure.NO_COMMON_ALGORITHM),
    (re.compile(rb"Connection refused"), Failure.CONNECTION_REFUSED),
    (re.compile(rb"No route to host|Network is unreachable|Host is down"), Failure.UNREACHABLE),
    (re.compile(rb"timed out|Timeout, server"), Failure.TIMED_OUT),
)
_NO_KEY_TYPE = b"no matching host key type found"
_NO_SFTP = b"subsystem request failed"
_NO_COMMAND = b"exec request failed"
_NOT_FORWARDED = re.compile(rb"open failed: ([^\r\n]*)")
_ENDED = re.compile(
    rb"[Cc]onnection (to \S+ )?(closed|reset)|Broken pipe|kex_exchange_identification|Disconnected from"
)


class Story(NamedTuple):
    """The log of one hop, as far as it has been written."""

    log: bytes

    @property
    def banner(self) -> bytes | None:
        """The server's software as it names itself; None before it has."""
        found = _BANNER.search(self.log)
        return found[1].strip() if found else None

    @property
    def is_logged_in(self) -> bool:
        """Whether the login succeeded; nothing runs at the server before."""
        return _LOGGED_IN in self.log

    @property
    def is_in_session(self) -> bool:
        """Whether the server has opened a session; until then it may count the connection among those that log in."""
        return any(words in self.log for words in _IN_SESSION)

    @property
    def has_status(self) -> bool:
        """Whether the server told how the command ended; otherwise ssh's exit status is its own."""
        return _HAS_STATUS.search(self.log) is not None

    @property
    def sentences(self) -> bytes:
        """What ssh wrote for people: the log without its debug lines."""
        lines = (line.strip() for line in self.log.splitlines())
        return b"\n".join(line for line in lines if line and not line.startswith(_NOT_FOR_PEOPLE))

    @property
    def said(self) -> bytes:
        """The one sentence that explains most."""
        if (key := _HOST_KEY.search(self.log)) and _first(_KEY_SENTENCES, self.sentences):
            return b"it shows " + key[1]
        told = [line for line in self.sentences.splitlines() if b"too open" in line]
        return told[0] if told else last_line(self.sentences)

    def failure(self, of_another: bytes) -> Failure:
        """What went wrong; `of_another` is what another ssh on the way may have written."""
        sentences = self.sentences
        if self.is_logged_in:
            ended = Failure.SFTP_ENDED if self.has_status else Failure.LOST
            refused = Failure.NO_COMMAND if _NO_COMMAND in sentences else ended
            return Failure.NO_SFTP if _NO_SFTP in sentences else refused
        found = _first(_KEY_SENTENCES, sentences + b"\n" + of_another) or _first(_SENTENCES, sentences)
        if found is None and _ENDED.search(sentences):
            found = Failure.LOST if self.banner else Failure.DROPPED
        return found or Failure.UNCLEAR

    @property
    def not_forwarded(self) -> Failure | None:
        """Why this hop could not reach the next one, if it was that which failed."""
        found = _NOT_FORWARDED.search(self.sentences)
        return (_first(_SENTENCES, found[1]) or Failure.UNCLEAR) if found else None


def diagnose(
    route: Sequence[EndpointSpec], stories: Sequence[Story], words: bytes, *, was_cut_off: bool = False
) -> MigratorError:
    """The error for a connection that failed, laid at the first endpoint of the route that did not let us in.

    With `was_cut_off` we ended it ourselves for its silence, so that whatever ssh does not explain is a time-out.
    """
    at = next((hop for hop, story in enumerate(stories) if not story.is_logged_in), len(stories) - 1)
    spec, story = route[at], stories[at]
    if at > 0 and (not_forwarded := stories[at - 1].not_forwarded) is not None:
        return connection_error(not_forwarded, spec, stories[at - 1].said)
    # An alias may jump by itself, and that jump's ssh shares our standard error; else only the server writes there.
    failure = story.failure(words if ssh_of(spec).alias is not None else b"")
    if _NO_KEY_TYPE in story.sentences and ssh_of(spec).host_keys:
        failure = Failure.CHANGED_KEY  # the server has no key of a pinned type
    if was_cut_off and failure in {Failure.UNCLEAR, Failure.LOST, Failure.DROPPED}:
        failure = Failure.TIMED_OUT
    return connection_error(failure, spec, story.said or last_line(words))


def _first(patterns: tuple[tuple[re.Pattern[bytes], Failure], ...], text: bytes) -> Failure | None:
    return next((failure for pattern, failure in patterns if pattern.search(text)), None)
