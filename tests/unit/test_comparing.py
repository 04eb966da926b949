"""When two looks at an entry are the same, and what reading again amounts to."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, cast

import pytest

from migrator.domain.attributes import packed
from migrator.domain.entries import Entry, Kind
from migrator.domain.plan import Location
from migrator.endpoints.contract import HASH_BLOCK, Digest, Piece, Problem
from migrator.endpoints.digesting import digests_of
from migrator.errors import EndpointUnavailable
from migrator.movers.hands import Hands
from migrator.movers.way import Way
from migrator.verification.chunk_check import ChunkCheck
from migrator.verification.comparing import difference, is_same_time
from migrator.verification.rereading import Expected, Proven, Rereading, Verdict, reread

ALL = frozenset({"mode", "times", "owner", "setid"})
SECOND = 1_000_000_000
FILE = Entry(b"a", Kind.FILE, 3, 5 * SECOND + 7, 0o640, 10, 20)
LINK = Entry(b"a", Kind.LINK, 0, 5 * SECOND, 0o777, 10, 20, b"to")


@pytest.mark.parametrize(
    ("found", "keep", "words"),
    [
        (FILE, ALL, None),
        (FILE._replace(size=4), frozenset(), "has 4 bytes, not 3"),
        (FILE._replace(kind=Kind.DIRECTORY), frozenset(), "is a directory, not a file"),
        (FILE._replace(mode=0o600), {"mode"}, "has mode 0600, not 0640"),
        (FILE._replace(mode=0o600), {"times"}, None),
        (FILE._replace(mode=0o4640), {"mode"}, None),
        (FILE._replace(mode=0o4640), {"mode", "setid"}, "has mode 4640, not 0640"),
        (FILE._replace(mode=0o1640), {"mode"}, "has mode 1640, not 0640"),
        (FILE._replace(mtime_ns=5 * SECOND), {"times"}, None),
        (FILE._replace(mtime_ns=5 * SECOND + 8), {"times"}, "has another modification time"),
        (FILE._replace(mtime_ns=6 * SECOND), {"times"}, "has another modification time"),
        (FILE._replace(mtime_ns=6 * SECOND), {"mode"}, None),
        (FILE._replace(uid=11), {"owner"}, "belongs to 11:20, not 10:20"),
        (FILE._replace(gid=21), {"owner"}, "belongs to 10:21, not 10:20"),
        (FILE._replace(gid=21), {"mode"}, None),
    ],
)
def test_only_what_is_to_be_kept_counts(found: Entry, keep: Iterable[str], words: str | None) -> None:
    assert difference(FILE, found, frozenset(keep)) == words


HERE = packed({b"user.a": b"1", b"system.posix_acl_access": b"acl", b"security.capability": b"all"})


@pytest.mark.parametrize(
    ("found", "keep", "words"),
    [
        (HERE, {"xattrs", "acls", "setid"}, None),
        (packed({b"user.a": b"2"}), {"xattrs"}, "has another `user.a`"),
        (packed({b"user.a": b"2"}), {"mode"}, None),
        (packed({b"user.a": b"1"}), {"xattrs"}, None),
        (packed({b"user.a": b"1"}), {"acls"}, "lacks `system.posix_acl_access`"),
        (packed({b"user.a": b"1"}), {"setid"}, "lacks `security.capability`"),
        (b"", {"xattrs", "acls"}, "lacks `system.posix_acl_access`"),
        (packed({b"user.a": b"1", b"user.b\x1b": b""}), {"xattrs"}, "has, unlike its source, `user.b\\x1b`"),
        (None, {"mode", "setid"}, None),
        (None, {"acls"}, "has extended attributes that cannot be read and compared"),
    ],
)
@pytest.mark.parametrize("kind", [Kind.FILE, Kind.DIRECTORY, Kind.LINK])
def test_attributes_and_acls_count_where_they_are_kept(
    kind: Kind, found: bytes | None, keep: Iterable[str], words: str | None
) -> None:
    expected = Entry(b"a", kind, 0, 0, 0o644, 1, 1, xattrs=HERE)
    assert difference(expected, expected._replace(xattrs=found), frozenset(keep)) == words


def test_a_link_is_its_text_and_nothing_else() -> None:
    assert difference(LINK, LINK._replace(mode=0, mtime_ns=0), ALL) is None
    assert difference(LINK, LINK._replace(link=b"elsewhere"), ALL) == "points elsewhere"
    assert difference(LINK, LINK._replace(link=None), ALL) == "points elsewhere"


def test_times_before_1970_are_cut_like_all_others() -> None:
    assert is_same_time(-5 * SECOND + 7, -5 * SECOND)
    assert not is_same_time(-5 * SECOND - 7, -5 * SECOND)


class NamedAbilities(NamedTuple):
    lane: str


class Side:
    """A tree that delivers what it is told, and nothing of what it is not."""

    def __init__(self, *pieces: Piece) -> None:
        self._pieces = pieces

    def digests(self, wanted: Iterable[Entry], *, blocks: bool = False) -> Iterator[Digest]:
        paths = {entry.path for entry in wanted}
        return digests_of((piece for piece in self._pieces if piece.entry.path in paths), blocks=blocks)


class Told:
    """Hands that hold two sides and remember what was reported."""

    should_stop = False

    def __init__(self, source: Side, target: Side) -> None:
        self._source, self._target = source, target
        self.reports: list[Any] = []

    def source(self, location: Location) -> Side:
        del location
        return self._source

    def target(self, location: Location, temp_key: bytes) -> Side:
        del location, temp_key
        return self._target

    def report(self, content: Any) -> None:
        self.reports.append(content)


DIGEST = hashlib.sha256(b"abc").digest()
WHOLE = Piece(FILE, b"abc", FILE)
OTHER = Piece(FILE, b"abd", FILE)
CLOSED = Piece(FILE, b"", problem=Problem.FAILED, reason="Permission denied")
MISSING = Piece(FILE, b"", problem=Problem.VANISHED)


def judged(*, sha256: bytes | None, source: Side | None, target: Side | None) -> Verdict:
    told = Told(source or Side(), target or Side())
    place = Location("here", b"/")
    way = Way(place, place, b"k" * 32, frozenset({"mode", "times"}))
    job = Rereading(way, [Expected(FILE, sha256)], target is not None, source is not None)
    reread(cast("Hands", told), job)
    (verdict,) = [report for report in told.reports if isinstance(report, Verdict)]
    return verdict


PROVEN = Verdict((Proven(b"a", DIGEST),), (), ())


def differs(words: str) -> Verdict:
    return Verdict((), ((b"a", words),), ())


def moved_on(words: str) -> Verdict:
    return Verdict((), (), ((b"a", words),))


@pytest.mark.parametrize(
    ("sha256", "source", "target", "verdict"),
    [
        (DIGEST, None, Side(WHOLE), PROVEN),
        (DIGEST, None, Side(OTHER), differs("has other content")),
        (DIGEST, None, Side(MISSING), differs("is missing")),
        (DIGEST, None, Side(CLOSED), differs("could not be read: Permission denied")),
        (DIGEST, None, Side(), differs("could not be read: nothing came of it")),
        (DIGEST, Side(WHOLE), None, PROVEN),
        (DIGEST, Side(OTHER), None, moved_on("the source has other content than was copied")),
        (DIGEST, Side(), None, moved_on("at the source: could not be read: nothing came of it")),
        (DIGEST, Side(WHOLE), Side(WHOLE), PROVEN),
        (DIGEST, Side(WHOLE), Side(), differs("could not be read: nothing came of it")),
        (DIGEST, Side(MISSING), Side(WHOLE), moved_on("at the source: is missing")),
        (DIGEST, Side(OTHER), Side(OTHER), moved_on("the source has other content than was copied")),
        (None, Side(WHOLE), Side(WHOLE), PROVEN),
        (None, Side(WHOLE), Side(OTHER), differs("has other content")),
    ],
)
def test_only_what_was_read_and_is_right_is_proven(
    sha256: bytes | None, source: Side | None, target: Side | None, verdict: Verdict
) -> None:
    assert judged(sha256=sha256, source=source, target=target) == verdict


def test_without_a_digest_the_target_alone_proves_nothing() -> None:
    verdict = judged(sha256=None, source=None, target=Side(WHOLE))
    assert verdict.proven == ()
    assert "never hashed" in verdict.differs[0][1]


def test_the_bytes_of_a_file_that_could_not_be_read_to_its_end_belong_to_no_other() -> None:
    other = FILE._replace(path=b"b")
    broken = (Piece(FILE, b"xyz"), Piece(FILE, b"", problem=Problem.CHANGED, reason="it grew"))
    told = Told(Side(), Side(*broken, Piece(other, b"abc", other)))
    place = Location("here", b"/")
    job = Rereading(Way(place, place, b"", frozenset()), [Expected(FILE, DIGEST), Expected(other, DIGEST)], True, False)
    reread(cast("Hands", told), job)
    (verdict,) = [report for report in told.reports if isinstance(report, Verdict)]
    assert [each[:2] for each in verdict.proven] == [(b"b", DIGEST)]
    assert verdict.differs == ((b"a", "changed while it was read: it grew"),)


class Meeting(Side):
    """A side that goes on only when the other one is read, too."""

    abilities = NamedAbilities("agent")

    def __init__(self, barrier: threading.Barrier, *pieces: Piece) -> None:
        super().__init__(*pieces)
        self._barrier = barrier

    def digests(self, wanted: Iterable[Entry], *, blocks: bool = False) -> Iterator[Digest]:
        for digest in super().digests(wanted, blocks=blocks):
            self._barrier.wait(60)
            yield digest


class Broken(Meeting):
    def digests(self, wanted: Iterable[Entry], *, blocks: bool = False) -> Iterator[Digest]:
        self._barrier.wait(60)
        yield Digest(FILE, 1)
        raise EndpointUnavailable("the line is cut")


class Endless(Meeting):
    """A file without end."""

    def digests(self, wanted: Iterable[Entry], *, blocks: bool = False) -> Iterator[Digest]:
        self._barrier.wait(60)
        while True:
            yield Digest(FILE, 1)


TWO_HOSTS = Way(Location("old", b"/"), Location("new", b"/"), b"k" * 32, frozenset())


def test_two_hosts_are_read_at_the_same_time() -> None:
    barrier = threading.Barrier(2)
    told = Told(Meeting(barrier, WHOLE), Meeting(barrier, WHOLE))
    reread(cast("Hands", told), Rereading(TWO_HOSTS, [Expected(FILE, DIGEST)], True, True))
    assert [report for report in told.reports if isinstance(report, Verdict)] == [PROVEN]


@pytest.mark.parametrize("sides", [(Broken, Endless), (Endless, Broken)])
def test_a_side_that_fails_ends_the_other_one(sides: tuple[type[Meeting], type[Meeting]]) -> None:
    barrier = threading.Barrier(2)
    told = Told(sides[0](barrier), sides[1](barrier))
    with pytest.raises(EndpointUnavailable, match="cut"):
        reread(cast("Hands", told), Rereading(TWO_HOSTS, [Expected(FILE, DIGEST)], True, True))
    assert not any(isinstance(report, Verdict) for report in told.reports)


def test_a_stop_does_not_wait_for_a_file_without_end() -> None:
    told = Told(Side(), Endless(threading.Barrier(1)))
    told.should_stop = True
    reread(cast("Hands", told), Rereading(TWO_HOSTS, [Expected(FILE, DIGEST)], True, False))
    assert not any(isinstance(report, Verdict) for report in told.reports)


def digest_of(*blocks: bytes) -> bytes:
    return hashlib.sha256(b"".join(blocks)).digest()


class TestChunks:
    BLOCKS = tuple(hashlib.sha256(b"%d" % number).digest() for number in range(20))
    SIZE = 19 * HASH_BLOCK + 5
    RECORDED: ClassVar = {0: digest_of(*BLOCKS[:8]), 1: digest_of(*BLOCKS[8:16]), 2: digest_of(*BLOCKS[16:])}

    def fault(self, size: int, chunks: Mapping[int, bytes], *parts: Sequence[bytes]) -> str | None:
        check = ChunkCheck(size, chunks)
        for part in parts:
            check.take(part)
        return check.fault()

    def test_right_blocks_in_whatever_portions(self) -> None:
        assert self.fault(self.SIZE, self.RECORDED, self.BLOCKS) is None
        assert self.fault(self.SIZE, self.RECORDED, *[[block] for block in self.BLOCKS]) is None
        assert self.fault(self.SIZE, self.RECORDED, self.BLOCKS[:3], [], self.BLOCKS[3:]) is None

    @pytest.mark.parametrize("place", [0, 7, 8, 19])
    def test_one_wrong_block(self, place: int) -> None:
        blocks = list(self.BLOCKS)
        blocks[place] = b"\0" * 32
        assert self.fault(self.SIZE, self.RECORDED, blocks) == f"has other content in chunk {place // 8}"

    def test_blocks_that_are_missing_or_too_many(self) -> None:
        assert self.fault(self.SIZE, self.RECORDED, self.BLOCKS[:19]) == "has 19 blocks, not 20"
        assert self.fault(self.SIZE, self.RECORDED, self.BLOCKS, self.BLOCKS[:1]) == "has 21 blocks, not 20"
        assert self.fault(0, {}) is None

    def test_a_chunk_without_record_is_nothing_but_zeros(self) -> None:
        zeros, rest = hashlib.sha256(bytes(HASH_BLOCK)).digest(), hashlib.sha256(bytes(5)).digest()
        holes = {1: self.RECORDED[1]}
        blocks = [*[zeros] * 8, *self.BLOCKS[8:16], *[zeros] * 3, rest]
        assert self.fault(self.SIZE, holes, blocks) is None
        assert self.fault(self.SIZE, holes, [*blocks[:-1], zeros]) == "has other content in chunk 2"

    def test_it_holds_one_chunk_at_most(self) -> None:
        check = ChunkCheck(1000 * HASH_BLOCK, {})
        for block in [b"x" * 32] * 999:
            check.take([block])
            assert len(check._held) < 8
