"""What a tree consists of: entries as a scan sees them, and the classes every item ends in."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

_ESCAPES = re.compile(r"([^\\]+)|(\\x[0-9a-f]{2}|\\\\|\\)")


class Kind(StrEnum):
    """What an entry is; `special` stands for FIFOs, sockets and devices, which are listed and never opened."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    SPECIAL = "special"


class Entry(NamedTuple):
    """One entry of a tree, as one look saw it; what a lane cannot see is None."""

    path: bytes  # relative to the dataset's root, components joined by b"/"; b"" is the root itself
    kind: Kind
    size: int  # bytes; 0 unless a file
    mtime_ns: int  # whole seconds where the lane sees no more
    mode: int  # permission bits, 0o7777 at most
    uid: int
    gid: int
    link: bytes | None = None  # the text of a symbolic link, unchanged
    ctime_ns: int | None = None
    inode: int | None = None
    links: int | None = None
    device: int | None = None  # which file system it lies on; the number may be another after a reboot
    allocated: int | None = None  # bytes it takes on its disk: fewer than `size` when it has holes
    xattrs: bytes | None = None  # extended attributes and ACLs as one text; b"" for none


def is_linked(entry: Entry) -> bool:
    """Whether it is a file that has other names, and whose names can be told to be one file."""
    seen = entry.device is not None and entry.inode is not None and entry.ctime_ns is not None
    return entry.kind is Kind.FILE and (entry.links or 1) > 1 and seen


class Unreadable(NamedTuple):
    """A place whose content could not be listed: its subtree is unknown, not empty."""

    path: bytes
    reason: str


class Listed(NamedTuple):
    """A folder of which every name was told just now, and the fingerprint of all that was told of them."""

    path: bytes
    fingerprint: bytes  # 16 bytes


class Unchanged(NamedTuple):
    """A folder in which everything is as it was when its fingerprint was taken; its names are not told again."""

    path: bytes
    entries: int  # directly in it
    size_bytes: int  # of the files among them


class Class(StrEnum):
    """Where an item stands; every item seen is in exactly one class."""

    PENDING = "pending"
    ACKNOWLEDGED = "acknowledged"
    VERIFIED = "verified"
    EXCLUDED = "excluded"
    WAIVED = "waived"
    FAILED = "failed"
    VANISHED = "vanished"


class Item(NamedTuple):
    """One row of the manifest, as `export` and the events show it."""

    dataset: str
    path: bytes
    kind: Kind
    size: int
    mtime_ns: int
    state: Class
    seq: int | None
    sha256: bytes | None
    verified_by: str | None
    reason: str | None
    link: bytes | None = None


def display(raw: bytes) -> str:
    r"""`raw` as text that is safe on a terminal: control characters and bytes that are not UTF-8 become ``\xNN``."""
    text = raw.decode("utf-8", "surrogateescape")
    return "".join(_shown(character) for character in text)


def undisplay(text: str) -> bytes:
    """The raw name that `display` shows as `text`; ValueError where a backslash begins nothing that it writes."""
    parts = []
    for plain, escape in _ESCAPES.findall(text):
        if escape == "\\":
            raise ValueError("a backslash is written twice, and any other byte as \\x and two hexadecimal digits")
        parts.append(plain.encode("utf-8", "surrogateescape") if plain else _byte(escape))
    return b"".join(parts)


def _byte(escape: str) -> bytes:
    return b"\\" if escape == "\\\\" else bytes.fromhex(escape[2:])


def _shown(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
