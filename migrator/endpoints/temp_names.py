"""Names of our temp files: unguessable, and recognised only by who holds the key from the journal."""

from __future__ import annotations

import hmac
import re
import secrets

_SHAPE = re.compile(rb"\.migrator-([0-9a-f]{24})-([0-9a-f]{24})\Z")


def new_temp_name(key: bytes) -> bytes:
    """A fresh name of 59 bytes, below every file system's limit whatever the final name is."""
    token = secrets.token_hex(12).encode()
    return b".migrator-%s-%s" % (token, _mark(key, token))


def is_temp_name(key: bytes, name: bytes) -> bool:
    """Whether `name` was made with `key`; a file that only looks alike is the user's own."""
    match = _SHAPE.match(name)
    return match is not None and hmac.compare_digest(_mark(key, match[1]), match[2])


def _mark(key: bytes, token: bytes) -> bytes:
    return hmac.digest(key, token, "sha256").hex()[:24].encode()
