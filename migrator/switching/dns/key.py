"""The key that signs updates, from a file as `tsig-keygen` of BIND writes it; the secret is never shown."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
import stat
from pathlib import Path

import dns.exception
import dns.name
import dns.tsig

from migrator.domain.entries import display
from migrator.domain.plan import DnsSwitch
from migrator.errors import Refused

_LARGEST_FILE = 65_536
_ALGORITHMS = {
    "hmac-md5": dns.tsig.HMAC_MD5,
    "hmac-sha1": dns.tsig.HMAC_SHA1,
    "hmac-sha224": dns.tsig.HMAC_SHA224,
    "hmac-sha256": dns.tsig.HMAC_SHA256,
    "hmac-sha384": dns.tsig.HMAC_SHA384,
    "hmac-sha512": dns.tsig.HMAC_SHA512,
}
_MAKE_ONE = "make one with `tsig-keygen NAME`, and give it to the name server as well"

# The grammar of named.conf, as far as a `key` clause needs it: comments, quoted strings, punctuation, words.
_TOKEN = re.compile(r'(?:/\*.*?\*/|//[^\n]*|#[^\n]*|\s)+|"([^"\n]*)"|([{};])|([^\s{};"]+)', re.DOTALL)


class SecretKey(dns.tsig.Key):
    """A TSIG key whose secret does not show in its text, and so in no error, log or traceback."""

    def __repr__(self) -> str:
        return f"<key {self.name} {self.algorithm}>"


def key_of(switch: DnsSwitch) -> SecretKey | None:
    """The key that signs the updates of `switch`; None when the plan wants them unsigned."""
    return read_key(switch.key_file) if switch.key_file else None


def read_key(path: Path) -> SecretKey:
    """The one key in the file at `path`; Refused when the file cannot be read or holds anything else."""
    shown = display(os.fsencode(path))
    found = _keys(_read(path, shown))
    if len(found) != 1:
        raise Refused(f"the key file {shown} holds {len(found) or 'no'} keys, not one", hint=_MAKE_ONE)
    ((name, statements),) = found
    algorithm = _ALGORITHMS.get(statements.get("algorithm", "").lower().removesuffix("."))
    if algorithm is None:
        raise Refused(f"the key file {shown} names no algorithm of {', '.join(_ALGORITHMS)}", hint=_MAKE_ONE)
    key: SecretKey | None = None
    with contextlib.suppress(binascii.Error, ValueError, dns.exception.DNSException):
        secret = base64.b64decode(statements.get("secret", ""), validate=True)
        key = SecretKey(dns.name.from_text(name), secret, algorithm)
    # Not raised from the error that was: its words could quote the secret.
    if key is None or not key.secret:
        raise Refused(f"the key file {shown} holds no usable name and secret", hint=_MAKE_ONE)
    return key


def is_open_to_all(path: Path) -> bool:
    """Whether everybody on this machine may read the key file."""
    return bool(os.stat(path).st_mode & stat.S_IROTH)


def _read(path: Path, shown: str) -> str:
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Refused(f"the key file {shown} is not a file", hint=_MAKE_ONE)
            return file.read(_LARGEST_FILE).decode("ascii", "replace")
    except OSError as error:
        raise Refused(f"cannot read the key file {shown}: {error.strerror}", hint=_MAKE_ONE) from error


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a FIFO in its place must not hold a run up


def _keys(text: str) -> list[tuple[str, dict[str, str]]]:
    """The name and the statements of every `key` clause."""
    tokens = [match.group(match.lastindex) for match in _TOKEN.finditer(text) if match.lastindex]
    found = []
    for start, (word, name, brace) in enumerate(zip(tokens, tokens[1:], tokens[2:], strict=False)):
        if word == "key" and brace == "{":
            body = tokens[start + 3 :]
            inside = body[: body.index("}")] if "}" in body else []
            found.append((name, dict(zip(inside[::3], inside[1::3], strict=False))))
    return found
