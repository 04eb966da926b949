"""Extended attributes and ACLs of an entry as one text: of each its name and its value, by name; b"" for none.

Name and value are each a length (32 bits, big-endian) and as many bytes. Two entries have the same attributes when
their texts are equal.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

LARGEST_BYTES = 1 << 20  # of one text

_ACLS = frozenset({b"system.posix_acl_access", b"system.posix_acl_default"})
_CAPABILITY = b"security.capability"
_LENGTH = struct.Struct(">I")


def packed(attributes: Mapping[bytes, bytes]) -> bytes:
    """The text of these attributes."""
    return b"".join(_piece(name) + _piece(value) for name, value in sorted(attributes.items()))


def unpacked(text: bytes) -> dict[bytes, bytes]:
    """The attributes of a text; ValueError for one that `packed` would not have made."""
    found: dict[bytes, bytes] = {}
    last = b""
    at = 0
    while at < len(text):
        name, at = _next(text, at)
        value, at = _next(text, at)
        if name <= last or word_for(name) is None:
            raise ValueError("attributes out of their order, or that are not carried")
        found[name] = value
        last = name
    return found


def word_for(name: bytes) -> str | None:
    """Which word of `keep` an attribute comes under; None for those that belong to the machine, not to its files."""
    if name in _ACLS:
        return "acls"
    if name == _CAPABILITY:
        return "setid"
    return "xattrs" if name.startswith((b"user.", b"trusted.")) else None


def has_attribute(text: bytes, word: str) -> bool:
    """Whether any attribute of a text comes under the word of `keep`."""
    return any(word_for(name) == word for name in unpacked(text))


def kept(text: bytes, keep: frozenset[str]) -> bytes:
    """The part of a text that comes under the words of `keep`."""
    if not text:
        return text
    return packed({name: value for name, value in unpacked(text).items() if word_for(name) in keep})


def _piece(content: bytes) -> bytes:
    return _LENGTH.pack(len(content)) + content


def _next(text: bytes, at: int) -> tuple[bytes, int]:
    begins = at + _LENGTH.size
    if begins > len(text):
        raise ValueError("attributes that are cut short")
    ends = begins + _LENGTH.unpack_from(text, at)[0]
    if ends > len(text):
        raise ValueError("attributes that are cut short")
    return text[begins:ends], ends
