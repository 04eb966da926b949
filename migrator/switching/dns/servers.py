"""Name servers as they are spoken to: questions straight to them, signed updates, and their refusals in words."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import NamedTuple, NoReturn

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.tsig
import dns.update

from migrator.domain.plan import NameServer
from migrator.errors import EndpointUnavailable, Refused

# A question is asked again when nothing comes for so long: datagrams get lost.
_ANSWER_SECONDS = 1.5
_SHORTEST_SECONDS = 0.2
# What a server that answers at all needs at most, lost datagrams included.
_QUESTION_SECONDS = 4.5
# An update is made durable before it is answered, and signed zones are signed again.
_UPDATE_SECONDS = 15.0

_SERVFAIL = (
    "failed at it (SERVFAIL)",
    "its own log says why; often it cannot write the zone's file or journal, or a secondary's copy has expired",
)
_REFUSED_QUESTIONS: Mapping[dns.rcode.Rcode, tuple[str, str]] = {
    dns.rcode.SERVFAIL: _SERVFAIL,
    dns.rcode.REFUSED: ("refuses the question (REFUSED)", "is `zone` one that it serves, and may this machine ask it?"),
}
_REFUSED_UPDATES: Mapping[dns.rcode.Rcode, tuple[str, str]] = {
    dns.rcode.SERVFAIL: _SERVFAIL,
    dns.rcode.NOTIMP: ("takes no updates (NOTIMP)", "`server` must be one that takes dynamic updates"),
    dns.rcode.REFUSED: (
        "refuses the update (REFUSED)",
        "let the key of `key_file` change the name: `update-policy` or `allow-update` in BIND, an `acl` in Knot",
    ),
    dns.rcode.NOTAUTH: (
        "does not take the update (NOTAUTH)",
        "it is not the primary server of `zone`, or the key of `key_file` may not change the zone",
    ),
    dns.rcode.NOTZONE: ("says that the name is not in the zone (NOTZONE)", "check `name` and `zone`"),
}
_TSIG_ERRORS: Mapping[type[dns.exception.DNSException], tuple[str, str]] = {
    dns.tsig.PeerBadKey: (
        "does not know the key (BADKEY)",
        "give the server the key of `key_file`, under the same name and with the same algorithm",
    ),
    dns.tsig.PeerBadSignature: (
        "does not accept the signature (BADSIG)",
        "the key of `key_file` has another secret there: give both the same file",
    ),
    dns.tsig.PeerBadTime: (
        "says that its clock and ours differ (BADTIME)",
        "set the clocks of both machines; signatures bear five minutes",
    ),
    dns.tsig.PeerBadTruncation: ("wants a longer signature (BADTRUNC)", "use a key of `hmac-sha256`"),
    dns.tsig.BadTime: (
        "signs with a clock that differs from ours (BADTIME)",
        "set the clocks of both machines; signatures bear five minutes",
    ),
    dns.tsig.BadSignature: (
        "signs its answer with another secret (BADSIG)",
        "the key of `key_file` has another secret there, or somebody else answers in its place",
    ),
    dns.tsig.BadKey: ("signs its answer with another key (BADKEY)", "is `server` the right one?"),
    dns.tsig.BadAlgorithm: ("signs its answer with another algorithm (BADKEY)", "is `server` the right one?"),
}
# What an update says when its conditions do not hold: not an error, but news about the record.
CONDITIONS = frozenset({dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN, dns.rcode.NXRRSET, dns.rcode.YXRRSET})


class Found(NamedTuple):
    """What a server has at a name; `alias` is the CNAME that stands there instead of the type that was asked for."""

    records: dns.rdataset.Rdataset | None
    alias: str | None = None


def ask(server: NameServer, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> Found:
    """What `server` itself holds, within seconds; over UDP, over TCP where that is too small.

    Raises EndpointUnavailable when no answer comes, Refused for one that says nothing about the record.
    """
    query = dns.message.make_query(name, kind, flags=0)  # no recursion: its own data, never a cache
    answer = _exchanged(server, query, time.monotonic() + _QUESTION_SECONDS)
    if answer.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        _refuse(server, answer.rcode(), _REFUSED_QUESTIONS)
    if not answer.flags & dns.flags.AA:
        raise Refused(
            f"the name server {server} does not serve the zone of {name.to_text(omit_final_dot=True)} itself",
            hint="`server` and `servers` must be the zone's own servers; a resolver's answers may be old",
        )
    records = answer.get_rrset(answer.answer, name, dns.rdataclass.IN, kind)
    alias = answer.get_rrset(answer.answer, name, dns.rdataclass.IN, dns.rdatatype.CNAME)
    is_alias = alias is not None and kind != dns.rdatatype.CNAME
    return Found(
        None if records is None else records.to_rdataset(),
        alias[0].target.to_text(omit_final_dot=True) if alias and is_alias else None,
    )


def send(server: NameServer, update: dns.update.UpdateMessage) -> dns.rcode.Rcode:
    """Carry out `update`: NOERROR, or one of CONDITIONS when they did not hold and nothing was changed.

    Raises EndpointUnavailable when no answer comes (it may have been carried out all the same), Refused when the
    server does not take it.
    """
    try:
        answer = dns.query.tcp(update, _address(server), timeout=_UPDATE_SECONDS, port=server.port)
    except dns.exception.FormError as error:
        # Not believed, whatever it says; but servers refuse in this way what is no business of theirs.
        raise Refused(
            f"the name server {server} answers without the signature that it owes (often a NOTAUTH)",
            hint="is it the primary server of `zone`, and does it know the key of `key_file`?",
        ) from error
    except (dns.exception.DNSException, OSError, EOFError) as error:
        _tell(server, error)
    if answer.rcode() != dns.rcode.NOERROR and answer.rcode() not in CONDITIONS:
        _refuse(server, answer.rcode(), _REFUSED_UPDATES)
    return answer.rcode()


def _exchanged(server: NameServer, query: dns.message.Message, deadline: float) -> dns.message.Message:
    while True:
        patience = max(_SHORTEST_SECONDS, min(_ANSWER_SECONDS, deadline - time.monotonic()))
        try:
            # What does not fit or does not answer to the question is passed over: a forged datagram ends nothing.
            return dns.query.udp_with_fallback(
                query, _address(server), patience, server.port, ignore_unexpected=True, ignore_errors=True
            )[0]
        except dns.exception.Timeout as error:
            if time.monotonic() >= deadline:
                _tell(server, error)
        except (dns.exception.DNSException, OSError, EOFError) as error:
            _tell(server, error)


def _address(server: NameServer) -> str:
    found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    return str(found[0][4][0])


def _tell(server: NameServer, error: Exception) -> NoReturn:
    """The error for a conversation that failed; never with the words of an error that could quote a message."""
    for kind, (sentence, hint) in _TSIG_ERRORS.items():
        if isinstance(error, kind):
            raise Refused(f"the name server {server} {sentence}", hint=hint) from error
    if isinstance(error, OSError):
        why = error.strerror or "no connection"
    elif isinstance(error, dns.exception.Timeout):
        why = "no answer in time"
    else:
        why = f"no sensible answer ({type(error).__name__})"
    raise EndpointUnavailable(
        f"the name server {server} cannot be asked: {why}", hint="is it up, and do firewalls let UDP and TCP through?"
    ) from error


def _refuse(server: NameServer, rcode: dns.rcode.Rcode, words: Mapping[dns.rcode.Rcode, tuple[str, str]]) -> NoReturn:
    sentence, hint = words.get(rcode, (f"answers {dns.rcode.to_text(rcode)}", "its own log says why"))
    raise Refused(f"the name server {server} {sentence}", hint=hint)
