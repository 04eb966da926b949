"""The seal of an item: what was verified, and when, under a key of the state; an edited row does not fit its seal.

It is set in the statement that records a verification and asked for wherever one counts. Who reads the key from the
state can forge it: it stands against edits and faults, and signatures stand against forgers.
"""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from migrator.journal import tables

_PURPOSE = b"item seal"  # at most 16 bytes: BLAKE2's `person`
_SIZE = 16

# What is sealed beside the verification itself: where, what (all that a scan compares), and which copy of it.
_FACTS = (
    "dataset", "path", "kind", "size", "mtime_ns", "mode", "uid", "gid", "link", "ctime_ns", "inode", "xattrs",
    "copied_seq",
)  # fmt: skip

# As an expression in SQL on `item`, where the new values of the rest are given.
SEAL_OF = (
    f"seal({', '.join(_FACTS)}, {{sha256}}, {{verified_seq}}, {{verified_by}}, {{target_ctime_ns}}, {{target_inode}})"
)


# The same for what was recorded when an item was copied: a digest that somebody writes in later proves nothing.
_COPY = ("dataset", "path", "size", "mtime_ns", "sha256", "copied_seq")


def copy_seal_of(**values: str) -> str:
    """The seal of a copy as an expression in SQL, with expressions for what the row does not have yet."""
    return f"seal({', '.join(values.get(name, name) for name in _COPY)})"


def is_copy_sealed() -> ColumnElement[bool]:
    """Whether the digest of an item is the one that was taken when it was copied, or verified since."""
    item = tables.item.c
    return item.copy_seal.is_not_distinct_from(func.seal(*(item[name] for name in _COPY)))


def is_sealed() -> ColumnElement[bool]:
    """Whether a row of `item` is what was sealed when it was verified."""
    item = tables.item.c
    rest = (item.sha256, item.verified_seq, item.verified_by, item.target_ctime_ns, item.target_inode)
    return item.seal.is_not_distinct_from(func.seal(*(item[name] for name in _FACTS), *rest))


def prepare(connection: Connection, key: bytes) -> None:
    """Give queries of this connection the function `seal`; `key` is the secret of the state."""
    raw = connection.connection.dbapi_connection
    assert raw is not None
    raw.create_function("seal", -1, _sealer(key), deterministic=True)


def key_of(connection: Connection) -> bytes:
    """The secret of this application's state, made once."""
    query = select(tables.application_fact.c.value).where(tables.application_fact.c.name == "temp-key")
    return bytes.fromhex(connection.execute(query).scalar_one())


def _sealer(key: bytes) -> Callable[..., bytes]:
    begun = hashlib.blake2b(key=key, digest_size=_SIZE, person=_PURPOSE)

    def seal(*values: Any) -> bytes:
        digest = begun.copy()
        # Numbers, bytes, text and None, each in its one spelling, four times as fast as `repr`. Should a Python to come
        # write another one, no old seal fits, and what was verified is read again.
        digest.update(marshal.dumps(values, 0))
        return digest.digest()

    return seal
