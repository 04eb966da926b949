"""Attributes as one text, and which word of `keep` each comes under."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.domain.attributes import kept, packed, unpacked, word_for

names = st.binary(max_size=20).map(lambda rest: b"user." + rest)


@given(st.dictionaries(names, st.binary(max_size=40)))
def test_what_is_packed_comes_back_and_order_does_not_matter(attributes: dict[bytes, bytes]) -> None:
    text = packed(attributes)
    assert unpacked(text) == attributes
    assert packed(dict(reversed(attributes.items()))) == text


@given(st.binary(max_size=60))
def test_nothing_else_is_taken(text: bytes) -> None:
    try:
        attributes = unpacked(text)
    except ValueError:
        return
    assert packed(attributes) == text


@pytest.mark.parametrize(
    ("name", "word"),
    [
        (b"user.a", "xattrs"),
        (b"trusted.a", "xattrs"),
        (b"system.posix_acl_access", "acls"),
        (b"system.posix_acl_default", "acls"),
        (b"security.capability", "setid"),
        (b"security.selinux", None),
        (b"system.nfs4_acl", None),
        (b"username", None),
    ],
)
def test_each_attribute_has_its_word(name: bytes, word: str | None) -> None:
    assert word_for(name) == word
    if word is not None:
        text = packed({name: b"1"})
        assert kept(text, frozenset({word})) == text
        assert kept(text, frozenset({"mode"})) == b""
