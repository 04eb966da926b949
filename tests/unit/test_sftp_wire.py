"""SFTP as bytes: what is packed, and that nothing a server may send is taken for something else."""

from __future__ import annotations

import stat
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.domain.entries import Entry, Kind
from migrator.endpoints.sftp import wire
from migrator.endpoints.sftp.metadata import Metadata

ENTRY = Entry(b"f", Kind.FILE, 1, 1_530_000_000_999_999_999, 0o4755, 1000, 1001)

USUAL = struct.pack(">IQIIIII", 0x0F, 5 * 2**40, 1000, 1001, stat.S_IFREG | 0o4755, 7, 1_530_000_000)


def test_usual_attributes_are_told_as_they_are() -> None:
    found, end = wire.take_attributes(b"xx" + USUAL + b"rest", 2)
    assert end == 2 + len(USUAL)
    assert found.entry(b"a") == Entry(b"a", Kind.FILE, 5 * 2**40, 1_530_000_000 * 10**9, 0o4755, 1000, 1001)


def test_what_is_left_out_is_not_made_up() -> None:
    nothing, end = wire.take_attributes(struct.pack(">I", 0), 0)
    assert nothing == wire.Attributes(None, -1, -1, None, None)
    assert end == 4
    assert nothing.entry(b"a") is None
    no_time, _ = wire.take_attributes(struct.pack(">IQI", 0x05, 1, stat.S_IFREG | 0o644), 0)
    assert no_time.kind is Kind.FILE
    assert no_time.entry(b"a") is None
    no_kind, _ = wire.take_attributes(struct.pack(">IQIII", 0x0D, 1, 0o644, 1, 1), 0)
    assert no_kind.kind is None
    assert no_kind.entry(b"a") is None


def test_extended_attributes_are_skipped() -> None:
    extended = struct.pack(">II", 0x80000000, 2) + b"".join(map(wire.string, (b"a", b"b", b"c", b"d")))
    found, end = wire.take_attributes(extended + USUAL, 0)
    assert found.size is None
    assert end == len(extended)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        (stat.S_IFREG, Kind.FILE),
        (stat.S_IFDIR, Kind.DIRECTORY),
        (stat.S_IFLNK, Kind.LINK),
        (stat.S_IFIFO, Kind.SPECIAL),
        (stat.S_IFSOCK, Kind.SPECIAL),
        (stat.S_IFBLK, Kind.SPECIAL),
    ],
)
def test_the_kind_comes_from_the_mode(mode: int, kind: Kind) -> None:
    found = wire.Attributes(99, 0, 0, mode | 0o640, 1)
    entry = found.entry(b"a")
    assert entry is not None
    assert (entry.kind, entry.mode) == (kind, 0o640)
    assert entry.size == (99 if kind is Kind.FILE else 0)


def test_sizes_and_counts_that_cannot_be_are_malformed() -> None:
    with pytest.raises(wire.Malformed):
        wire.take_attributes(struct.pack(">IQ", 0x01, 2**63), 0)
    with pytest.raises(wire.Malformed):
        wire.take_string(struct.pack(">I", 5) + b"four", 0)
    with pytest.raises(wire.Malformed):
        wire.take_data(memoryview(wire.string(b"12345")), 4)
    with pytest.raises(wire.Malformed):
        wire.take_data(memoryview(struct.pack(">I", 5) + b"1234"), 9)
    with pytest.raises(wire.Malformed):
        wire.take_handle(memoryview(wire.string(b"h" * 257)))
    with pytest.raises(wire.Malformed):
        wire.take_name(memoryview(struct.pack(">I", 0)))
    with pytest.raises(struct.error):
        list(wire.take_names(memoryview(struct.pack(">I", 2**32 - 1))))


def test_names_come_with_their_attributes() -> None:
    body = struct.pack(">I", 2) + wire.string(b"one\n\xff") + wire.string(b"-rw-r--r-- one") + USUAL
    body += wire.string(b"..") + wire.string(b"") + struct.pack(">I", 0)
    names = list(wire.take_names(memoryview(body)))
    assert [name for name, _ in names] == [b"one\n\xff", b".."]
    assert names[0][1].size == 5 * 2**40


@given(st.binary(max_size=200))
def test_noise_is_refused_or_understood_and_never_anything_else(noise: bytes) -> None:
    body = memoryview(noise)
    takers = (
        lambda: list(wire.take_names(body)),
        lambda: wire.take_attributes(body, 0),
        lambda: wire.take_status(body),
        lambda: wire.take_data(body, 100),
        lambda: wire.take_extensions(body),
        lambda: wire.take_file_system(body),
        lambda: wire.take_limits(body),
    )
    for take in takers:
        try:
            take()
        except (wire.Malformed, struct.error):
            continue


def test_a_server_s_words_are_safe_to_show() -> None:
    body = struct.pack(">I", wire.FAILURE) + wire.string(b"\x1b[31mno \xff" + b"x" * 5000) + wire.string(b"")
    told = str(wire.take_status(memoryview(body)))
    assert "\x1b" not in told
    assert "\\x1b[31mno \\xff" in told
    assert len(told) < 400
    assert str(wire.take_status(memoryview(struct.pack(">I", 3)))) == "permission denied"


def test_only_what_is_kept_is_sent() -> None:
    assert Metadata(frozenset()).attributes(ENTRY) == []
    (only_mode,) = Metadata(frozenset({"mode"})).attributes(ENTRY)
    assert wire.take_attributes(only_mode, 0)[0] == (None, -1, -1, 0o755, None)
    (with_times,) = Metadata(frozenset({"mode", "times"})).attributes(ENTRY)
    assert wire.take_attributes(with_times, 0)[0] == (None, -1, -1, 0o755, 1_530_000_000)


def test_the_owner_is_set_before_setid_bits_which_it_would_clear() -> None:
    owner, rest = Metadata(frozenset({"mode", "times", "owner", "setid"})).attributes(ENTRY)
    assert wire.take_attributes(owner, 0)[0] == (None, 1000, 1001, None, None)
    assert wire.take_attributes(rest, 0)[0] == (None, -1, -1, 0o4755, 1_530_000_000)


def test_an_owner_that_the_source_did_not_tell_is_not_set() -> None:
    unknown = ENTRY._replace(uid=-1, gid=-1)
    assert Metadata(frozenset({"owner"})).attributes(unknown) == []


@pytest.mark.parametrize("seconds", [-1, 2**32])
def test_a_time_that_sftp_cannot_carry_is_an_obstacle(seconds: int) -> None:
    entry = ENTRY._replace(mtime_ns=seconds * 10**9)
    assert Metadata(frozenset({"times"})).obstacle(entry) is not None
    assert Metadata(frozenset({"mode"})).obstacle(entry) is None
