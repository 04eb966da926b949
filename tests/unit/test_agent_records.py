"""What a hostile agent may say about a tree, and that none of it is believed."""

from __future__ import annotations

import pytest

from migrator.domain.attributes import packed
from migrator.domain.entries import Entry, Kind, Listed, Unchanged, Unreadable
from migrator.endpoints.agent import program as agent
from migrator.endpoints.agent.records import Listing, Malformed, take_reasons

FILE, FOLDER, LINK = agent.FILE, agent.DIRECTORY, agent.SYMLINK


def entry(
    name: bytes, kind: int = FILE, link: bytes = b"", size: int = 0, mode: int = 0o644, attributes: bytes = b"\0" * 4
) -> bytes:
    facts = agent.FACTS.pack(kind, size, 1, mode, 2, 3, 4, 5, 6, 7, 8)
    return bytes([agent.ENTRY]) + facts + agent.packed(name) + agent.packed(link) + attributes


def folder(path: bytes) -> bytes:
    return bytes([agent.FOLDER]) + agent.packed(path)


ROOT = entry(b"", FOLDER) + folder(b"")


def test_a_listing_in_several_blocks() -> None:
    listing = Listing()
    first = listing.take(ROOT + entry(b"a", FOLDER) + entry(b"b", LINK, b"text"))
    unreadable = bytes([agent.UNREADABLE]) + agent.packed(b"a/c") + agent.packed(b"Permission denied")
    second = listing.take(folder(b"") + entry(b"d") + folder(b"a") + entry(b"c", FOLDER) + unreadable)
    assert first == [
        Entry(b"", Kind.DIRECTORY, 0, 1, 0o644, 2, 3, None, 4, 5, 6, 7, 8, b""),
        Entry(b"a", Kind.DIRECTORY, 0, 1, 0o644, 2, 3, None, 4, 5, 6, 7, 8, b""),
        Entry(b"b", Kind.LINK, 0, 1, 0o644, 2, 3, b"text", 4, 5, 6, 7, 8, b""),
    ]
    assert [found.path for found in second] == [b"d", b"a/c", b"a/c"]
    assert second[2] == Unreadable(b"a/c", "Permission denied")


def test_attributes_that_arrive_and_those_that_nobody_could_read() -> None:
    text = packed({b"user.b": b"\0", b"system.posix_acl_default": b""})
    blocks = ROOT + entry(b"a", attributes=agent.packed(text)) + entry(b"b", attributes=agent.UNSEEN)
    assert [found.xattrs for found in Listing().take(blocks) if isinstance(found, Entry)] == [b"", text, None]


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"/", b"a\0"])
def test_names_that_are_none(name: bytes) -> None:
    with pytest.raises(Malformed, match="name"):
        Listing().take(ROOT + entry(name))


@pytest.mark.parametrize(
    "block",
    [
        entry(b"a"),
        entry(b""),
        folder(b""),
        ROOT + entry(b"a") + entry(b"a"),
        ROOT + entry(b"a") + folder(b"a"),
        ROOT + folder(b"elsewhere"),
        ROOT + entry(b"a", FOLDER) + folder(b"a") + folder(b"") + entry(b"b"),
        ROOT + entry(b"a", kind=9),
        ROOT + entry(b"a", FOLDER, size=1),
        ROOT + entry(b"a", mode=0o10000),
        ROOT + entry(b"a", link=b"text"),
        ROOT + entry(b"a")[:-1],
        ROOT + bytes([agent.ENTRY]) + b"short",
        ROOT + bytes([agent.FOLDER]) + agent.U32.pack(1 << 31),
        ROOT + b"\x09",
        ROOT + entry(b"a", attributes=agent.packed(b"x")),
        ROOT + entry(b"a", attributes=agent.packed(packed({b"security.selinux": b""}))),
        ROOT + entry(b"a", attributes=agent.packed(packed({b"user.b": b""}) + packed({b"user.a": b""}))),
        ROOT + entry(b"a", attributes=agent.packed(packed({b"user.a": b""}) * 2)),
        ROOT + entry(b"a", attributes=agent.packed(packed({b"user.a": b"1"})[:-1])),
        ROOT + entry(b"a", attributes=agent.packed(packed({b"user.a": bytes(1 << 20)}))),
        ROOT + entry(b"a", attributes=b""),
    ],
)
def test_blocks_that_cannot_be(block: bytes) -> None:
    with pytest.raises(Malformed):
        Listing().take(block)


def test_outcomes_are_counted() -> None:
    assert take_reasons(agent.packed(b"") + agent.packed(b"no\n"), 2) == [None, "no\\x0a"]
    for body in (agent.packed(b""), agent.packed(b"") * 3, b"\0\0\0\1", b"\0"):
        with pytest.raises(Malformed):
            take_reasons(body, 2)


KNOWN = [b"f" * 16, b"g" * 16]


def same(path: bytes, fingerprint: bytes = KNOWN[0], entries: int = 3, folders: int = 0) -> bytes:
    facts = agent.SAME_FACTS.pack(fingerprint, entries, 9, folders)
    return bytes([agent.SAME]) + agent.packed(path) + facts


def listed(path: bytes, fingerprint: bytes = b"h" * 16) -> bytes:
    return bytes([agent.LISTED]) + agent.packed(path) + fingerprint


def test_a_listing_in_which_folders_are_unchanged() -> None:
    listing = Listing(KNOWN)
    body = entry(b"", FOLDER) + same(b"", folders=2) + folder(b"a") + entry(b"x") + listed(b"a") + same(b"b", KNOWN[1])
    root, unchanged, name, fingerprint, last = listing.take(body)
    assert (root.path, name.path) == (b"", b"a/x")
    assert (unchanged, last) == (Unchanged(b"", 3, 9), Unchanged(b"b", 3, 9))
    assert fingerprint == Listed(b"a", b"h" * 16)


@pytest.mark.parametrize(
    "block",
    [
        same(b"", b"x" * 16),
        same(b"", b"z" * 16),
        same(b"elsewhere"),
        same(b"", entries=1, folders=2),
        same(b"", entries=1 << 63),
        same(b"") + same(b""),
        same(b"") + folder(b"a"),
        same(b"", folders=1) + same(b"a") + same(b"b"),
        same(b"", folders=1) + same(b".."),
        same(b"", folders=1) + same(b"a/b"),
        same(b"") + entry(b"a"),
        same(b"")[:-1],
        folder(b"") + same(b""),
        folder(b"") + listed(b"a"),
        folder(b"") + listed(b"")[:-1],
        listed(b""),
    ],
)
def test_unchanged_folders_that_cannot_be(block: bytes) -> None:
    with pytest.raises(Malformed):
        Listing(KNOWN).take(entry(b"", FOLDER) + block)
