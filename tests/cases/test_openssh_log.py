"""What OpenSSH's client writes when it fails, and what we make of it; the sentences are its own."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from migrator.domain.plan import EndpointSpec, Ssh
from migrator.endpoints.ssh.failures import Transient
from migrator.endpoints.ssh.openssh_log import Story, diagnose
from migrator.errors import EndpointUnavailable, LoginRefused, MigratorError, SafetyStop

PLAIN = EndpointSpec("legacy", ssh=Ssh(host="web.example"))
PINNED = EndpointSpec("legacy", ssh=Ssh(host="web.example", host_keys=("ssh-ed25519 AAAA",)))
ALIAS = EndpointSpec("legacy", ssh=Ssh(alias="provider"))

BANNER = "debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2p1\r\n"
LOGIN = BANNER + 'Authenticated to web.example ([10.0.0.1]:22) using "publickey".\r\n'
REFUSED_BEFORE = "debug1: connect to address ::1 port 22: Connection refused\r\n"


class Case(NamedTuple):
    log: str
    error: type[MigratorError]
    sentence: str
    spec: EndpointSpec = PLAIN
    words: bytes = b""


CASES = {
    "refused": Case("ssh: connect to host web port 1: Connection refused\r\n", Transient, "was refused"),
    "name": Case("ssh: Could not resolve hostname web: Name or service not known\r\n", EndpointUnavailable, "name"),
    "no route": Case("ssh: connect to host web port 22: No route to host\r\n", EndpointUnavailable, "be reached"),
    "network": Case("ssh: connect to host web port 22: Network is unreachable", EndpointUnavailable, "be reached"),
    "time-out": Case("ssh: connect to host web port 22: Connection timed out", EndpointUnavailable, "no answer"),
    "slow banner": Case("Connection timed out during banner exchange\r\n", EndpointUnavailable, "no answer"),
    "full": Case("kex_exchange_identification: Connection closed by remote host", Transient, "before it said a word"),
    "reset": Case("kex_exchange_identification: read: Connection reset by peer", Transient, "before it said a word"),
    "closed in the login": Case(BANNER + "Connection closed by 10.0.0.1 port 22", EndpointUnavailable, "was lost"),
    "denied": Case(BANNER + "export@web: Permission denied (publickey).", LoginRefused, "login was refused"),
    "open key file": Case(
        BANNER + "Permissions 0644 for 'key' are too open.\r\nexport@web: Permission denied (publickey).",
        LoginRefused,
        "0644 for 'key' are too open",
    ),
    "too many keys": Case(
        BANNER + "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures",
        LoginRefused,
        "login was refused",
    ),
    "changed key": Case(
        BANNER + "debug1: Server host key: ssh-ed25519 SHA256:abc\r\n"
        "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\nHost key verification failed.\r\n",
        SafetyStop,
        "it shows ssh-ed25519 SHA256:abc",
    ),
    "revoked key": Case(
        BANNER + "@       WARNING: REVOKED HOST KEY DETECTED!               @\r\nHost key verification failed.",
        SafetyStop,
        "revoked",
    ),
    "unknown key": Case(
        BANNER + "No ED25519 host key is known for web and you have requested strict checking.\r\n",
        SafetyStop,
        "is not known",
    ),
    "other type, pinned": Case(
        BANNER + "Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: ssh-rsa",
        SafetyStop,
        "not the one that was agreed",
        PINNED,
    ),
    "other type, not pinned": Case(
        BANNER + "Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: ssh-rsa",
        EndpointUnavailable,
        "no algorithm",
    ),
    "old server": Case(
        BANNER + "Unable to negotiate with 10.0.0.1 port 22: no matching cipher found. Their offer: 3des-cbc",
        EndpointUnavailable,
        "no algorithm",
    ),
    "no sftp": Case(LOGIN + "subsystem request failed on channel 0\r\n", EndpointUnavailable, "no SFTP"),
    "sftp ended": Case(
        LOGIN + "debug1: client_input_channel_req: channel 0 rtype exit-status reply 0\r\n",
        EndpointUnavailable,
        "ended by itself (This account is not available)",
        words=b"This account is not available\n",
    ),
    "lost": Case(LOGIN + "Timeout, server web not responding.\r\n", EndpointUnavailable, "was lost"),
    "only the other address refused": Case(REFUSED_BEFORE + LOGIN, EndpointUnavailable, "was lost"),
    "bad option": Case("", EndpointUnavailable, "Bad option", words=b"command-line: line 0: Bad option: x\n"),
    "a server's word is not ssh's": Case(
        BANNER + "export@web: Permission denied (publickey).",
        LoginRefused,
        "login was refused",
        words=b"Host key verification failed.\n",
    ),
    "an alias jumps by itself": Case(
        "kex_exchange_identification: Connection closed by remote host",
        SafetyStop,
        "host key",
        ALIAS,
        words=b"Host key verification failed.\n",
    ),
    "control characters": Case(LOGIN + "Connection to \x1b[31mweb closed\r\n", EndpointUnavailable, "\\x1b[31m"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_a_failure_means(case: Case) -> None:
    error = diagnose([case.spec], [Story(case.log.encode())], case.words)
    assert isinstance(error, case.error)
    assert error.exit_code == case.error.exit_code
    assert case.sentence in error.message
    assert error.message.isprintable()
    assert error.hint


def test_what_we_cut_off_is_a_time_out() -> None:
    assert "no answer" in diagnose([PLAIN], [Story(LOGIN.encode())], b"", was_cut_off=True).message
    assert "no answer" in diagnose([PLAIN], [Story(b"")], b"", was_cut_off=True).message
    unknown = Story(b"Host key verification failed.\r\n")
    assert isinstance(diagnose([PLAIN], [unknown], b"", was_cut_off=True), SafetyStop)


def test_long_words_are_cut() -> None:
    error = diagnose([PLAIN], [Story(b"")], b"x" * 100_000)
    assert len(error.message) < 500


def test_the_banner() -> None:
    assert Story(LOGIN.encode()).banner == b"OpenSSH_9.2p1"
    assert Story(b"").banner is None
