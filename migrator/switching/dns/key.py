"""The key that signs updates, from a file as `tsig-keygen` of BIND writes it; the secret is never shown."""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from pathlib import Path

import dns.exception
import dns.name
import dns.tsig

from migrator.domain.entries import display
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
_KEY = ("key", None, "{")


class SecretKey(dns.tsig.Key):
    """A TSIG key whose secret does not show in its text, and so in no error, log or traceback."""

    def __repr__(self) -> str:
        return f"<key {self.name} {self.algorithm}>"


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
    try:
        secret = base64.b64decode(statements.get("secret", ""), validate=True)
        if secret:
            return SecretKey(dns.name.from_text(name), secret, algorithm)
    except (binascii.Error, ValueError, dns.exception.DNSException):
        pass  # told below, without the words of the error: they could quote the secret
    raise Refused(f"the key file {shown} holds no usable name and secret", hint=_MAKE_ONE)


def is_open_to_all(path: Path) -> bool:
    """Whether everybody on this machine may read the key file."""
    return bool(os.stat(path).st_mode & stat.S_IROTH)


def _read(path: Path, shown: str) -> str:
    try:
        # Without waiting: a FIFO in its place must not hold a run up.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Refused(f"the key file {shown} is not a file", hint=_MAKE_ONE)
            return file.read(_LARGEST_FILE).decode("ascii", "replace")
    except OSError as error:
        raise Refused(f"cannot read the key file {shown}: {error.strerror}", hint=_MAKE_ONE) from error


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
