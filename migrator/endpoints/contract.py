"""What every endpoint can do, whichever way it is reached. Everything above this package knows only these names.

A tree in the source role has no method that writes: that is how the type system holds the promise that the source
is never written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import NamedTuple, Protocol

from migrator.domain.entries import Entry, Listed, Unchanged, Unreadable
from migrator.domain.plan import EndpointSpec

# The most a command's output may bring; what comes after it is dropped.
OUTPUT_LIMIT_BYTES = 64 * 1024


class Completed(NamedTuple):
    """How a command ended: `status` is None when it ran out of time or the connection was lost."""

    status: int | None
    stdout: bytes  # OUTPUT_LIMIT_BYTES at most
    stderr: bytes


class Abilities(NamedTuple):
    """What a lane to an endpoint can see and keep, for the plan table, the preflight and the guard."""

    lane: str  # "local" | "sftp" | "agent"
    peer: str  # what answers there, for people: "OpenSSH_9.2p1", "this machine"
    keeps: frozenset[str]  # of mode, times, owner, hardlinks, xattrs, acls, holes, setid
    sees_ctime: bool
    hashes: bool  # whether bytes can be hashed where they are
    can_run: bool  # whether commands can be run there
    syncs_directories: bool  # False: "acknowledged" is all that can be claimed before verify


class Space(NamedTuple):
    """What the file system at a target root has left for us."""

    free_bytes: int
    free_inodes: int | None  # None: the file system does not count them
    file_system: int | None = None  # its number at that host; None where it cannot be told


class Problem(StrEnum):
    """Why a file could not be read to its end."""

    CHANGED = "changed"  # its size, time or kind moved while it was read: hot, to be tried again
    VANISHED = "vanished"  # it was gone before it could be opened
    FAILED = "failed"  # anything else; `Piece.reason` says what


class Piece(NamedTuple):
    """A part of a file's content. The pieces of one file come in order and without another file's between them.

    The last piece of a file, and only that one, has either `found` (the entry as it was after the last byte was
    read: exactly `found.size` bytes were delivered) or `problem`. An empty file has one piece without data.
    """

    entry: Entry  # as it was asked for
    data: bytes
    found: Entry | None = None  # may differ from `entry` when the file changed between the scan and the read
    problem: Problem | None = None
    reason: str = ""

    @property
    def is_last(self) -> bool:
        """Whether nothing more comes of this file."""
        return self.found is not None or self.problem is not None


class Digest(NamedTuple):
    """What hashing one file brought; either `found` (as it was after its last byte was read) or `problem`.

    A Digest with neither only tells of progress; long files have one every second or so. `sha256` is of the whole
    content. `read_bytes`, and `blocks` (the SHA-256 of each HASH_BLOCK bytes, where that was asked for), are what came
    since the Digest before: those of one file add up, so that a file of any size takes little memory.
    """

    entry: Entry  # as it was asked for
    read_bytes: int
    found: Entry | None = None
    sha256: bytes = b""
    blocks: tuple[bytes, ...] = ()
    problem: Problem | None = None
    reason: str = ""

    @property
    def is_last(self) -> bool:
        """Whether nothing more comes of this file."""
        return self.found is not None or self.problem is not None


class Extent(NamedTuple):
    """A stretch of a file, in bytes."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.length


class Span(NamedTuple):
    """Content of a file, and where it belongs."""

    offset: int
    data: bytes


class Checked(NamedTuple):
    """What a look at a file under way found: the file as it still is, or the problem with it."""

    found: Entry | None
    problem: Problem | None = None
    reason: str = ""


# The unit in which parts of files are compared; a digest of it is its SHA-256.
HASH_BLOCK = 1 << 20


class RangeReader(Protocol):
    """One file of a source, open to be read in parts; the same file until it is closed."""

    @property
    def found(self) -> Entry:
        """The file as it was when it was opened."""

    def extents(self) -> Sequence[Extent]:
        """Where it has data, in order; one extent where the lane cannot tell holes."""

    def read(self, chunks: Iterable[Sequence[Extent]]) -> Iterator[Span | Checked]:
        """The content of each chunk in order, and after each what a look at the file found then.

        Requests for the next chunks are under way meanwhile. After a problem nothing more comes.
        """

    def ask_digests(self, extent: Extent) -> Callable[[], Sequence[bytes]]:
        """Have each HASH_BLOCK of the extent hashed; the answer is waited for only when it is called for."""

    def check(self) -> Checked:
        """Whether it still is the file that was opened, unchanged since, at the path that was asked for."""

    def close(self) -> None:
        """Let go; may be called twice."""


class LargeWriter(Protocol):
    """One large file at a target that grows under its temp name; several writers may write parts of it at once.

    A full or failing disk raises as with Writer; OSError is this file's own problem.
    """

    @property
    def is_new(self) -> bool:
        """Whether nothing of it was there before."""

    def write(self, offset: int, data: bytes) -> None:
        """Put content at its place; may be under way still when this returns."""

    def copy_old(self, extent: Extent) -> None:
        """Take content over from the file that has the final name now."""

    def ask_old_digests(self, extent: Extent) -> Callable[[], Sequence[bytes]]:
        """Have the blocks of the file that has the final name now hashed; fewer come where it is shorter."""

    def ask_digests(self, extent: Extent) -> Callable[[], Sequence[bytes]]:
        """Have each HASH_BLOCK of what was written hashed, read again as far as the lane allows."""

    def sync(self) -> None:
        """Return when all that was written is durable, as far as the lane can tell."""

    def finish(self, entry: Entry) -> Landed:
        """Set what is kept of `entry`, and give the file its final name, durably."""

    def discard(self) -> None:
        """Remove the temp file."""

    def close(self) -> None:
        """Let go; the temp file stays. May be called twice."""


class Fingerprints(NamedTuple):
    """What is known of folders from earlier scans, and under which rules it was found out."""

    basis: bytes  # 32 bytes; fingerprints taken on another basis are others
    known: Sequence[bytes]  # in ascending order


class SourceTree(Protocol):
    """The tree below one root, to be read. Not safe for use from two threads at once."""

    @property
    def abilities(self) -> Abilities:
        """What this lane sees and keeps."""

    def scan(self) -> Iterator[Sequence[Entry | Unreadable]]:
        """Every entry below the root, in blocks; a folder comes before what is in it, the root (b"") first.

        Nothing is skipped by name and no link is followed. A folder that cannot be listed yields its Entry and then
        an Unreadable. Raises SafetyStop for a hostile listing (a name that is empty, `.`, `..`, holds a slash or a
        NUL, or comes twice) and EndpointUnavailable when the root is missing, unreadable or not a folder.
        """

    def rescan(self, fingerprints: Fingerprints) -> Iterator[Sequence[Entry | Unreadable | Listed | Unchanged]]:
        """A scan that may answer Unchanged for a folder whose fingerprint is known, in place of what is in it.

        Subfolders of an unchanged folder are looked into all the same. Of other folders comes a Listed behind their
        last name, but not where something may still change without a trace (younger than two seconds), nor for
        folders that are very large or hold special files. A lane that sees no ctime does a plain scan.
        """

    def stat(self, path: bytes) -> Entry | None:
        """The entry at `path`, links not followed; None when there is none."""

    def may_write(self) -> bool | None:
        """Whether the account could write in the root, by what its bits say; nothing is tried. None: cannot be told."""

    def read(self, wanted: Iterable[Entry]) -> Iterator[Piece]:
        """The content of the wanted files, in the order asked for, as many requests in flight as the lane allows.

        A file is opened without following a link in its last component, stat-ed when open and again after its last
        byte; when the two looks differ, or the path no longer is that file, the problem is CHANGED. Fewer bytes
        than the file's own size is FAILED with "short read A of B"; more is FAILED as well. Only the connection
        itself failing raises.
        """

    def digests(self, wanted: Iterable[Entry], *, blocks: bool = False) -> Iterator[Digest]:
        """The SHA-256 of the wanted files, in the order asked for, by the rules of `read`; hashed there if can be."""

    def ranges(self, entry: Entry) -> RangeReader | Checked:
        """The file at `entry.path`, open to be read in parts; the problem where it cannot be opened."""

    def close(self) -> None:
        """Let go of whatever the tree holds; may be called twice."""


class Landed(NamedTuple):
    """The outcome of one item at the target; `problem` is None when it is in place (and durable, if commit says so)."""

    path: bytes
    problem: str | None = None


class Writer(Protocol):
    """The only way anything is written below a target root. One file is open at a time.

    Each path is resolved beneath the root component by component, no link followed; missing parent folders are made
    (mode 0700; `settle` gives them their own). A file or link is written under a temp name beside its final one and
    gets that only in `commit`. A problem with one item (permission, name too long, something else stands there) is
    kept for that item's Landed and does not raise; a full or failing disk raises EndpointUnavailable or Incomplete
    with the reason, after which the writer is of no more use.
    """

    def begin(self, entry: Entry) -> None:
        """Open a temp file for `entry.path`: O_CREAT | O_EXCL | O_NOFOLLOW, mode 0600."""

    def write(self, data: bytes) -> None:
        """Append to the open file."""

    def finish(self, entry: Entry) -> None:
        """Give it what is kept of owner, mode, times and attributes, and close; the rename waits for `commit`."""

    def abandon(self) -> None:
        """Remove the open temp file, if there is one."""

    def link(self, entry: Entry) -> None:
        """Make the symbolic link `entry.link` under a temp name; the rename waits for `commit`."""

    def hard_link(self, entry: Entry, to: bytes) -> None:
        """Make `entry.path` another name of the file at `to`, which was committed before; renamed in `commit`.

        What stands at `to` must be a file of `entry.size`. Refused by a lane that does not keep `hardlinks`.
        """

    def commit(self) -> list[Landed]:
        """Sync the data, rename everything finished since the last commit, sync the folders; then say how each went."""

    def settle(self, directories: Sequence[Entry]) -> list[Landed]:
        """Make the folders where missing and give them what is kept of theirs, in the order given; durable."""

    def remove(self, entries: Sequence[Entry]) -> list[Landed]:
        """Remove files, links and empty folders, in the order given; something of another kind stays and is a problem.

        What is already gone counts as removed. Durable on return.
        """

    def close(self) -> None:
        """Remove temp files that were not committed, and let go; may be called twice."""


class TargetTree(SourceTree, Protocol):
    """A tree that is written, and read again to prove it. `scan` and `stat` leave out our own temp names."""

    def make_root(self) -> None:
        """Make the root (mode 0700) if it is missing and its parent exists; EndpointUnavailable when that fails."""

    def hold(self, holder: str) -> AbstractContextManager[None]:
        """The lock on this root, for one run; raises Held at once when another run has it.

        `holder` names the state that asks (a random hexadecimal id): a lease left behind by the same holder is taken
        over, since that holder's own lock proves that its earlier run is dead.
        """

    def writer(self, keep: frozenset[str]) -> Writer:
        """The confined writer; `keep` is what it must preserve (words as in the plan)."""

    def large(self, entry: Entry, temp_name: bytes, keep: frozenset[str], *, makes: bool) -> LargeWriter:
        """The large file `entry.path` as it grows under `temp_name`; made, with its room taken, if it is missing.

        Without `makes` a missing temp file is an OSError, and so is whatever stands in its way.
        """

    def sweep(self, spare: Collection[bytes] = ()) -> int:
        """Remove temp files of ours that an interrupted run left anywhere below the root; how many.

        Temp names in `spare` stay: large files that are to go on growing.
        """

    def space(self) -> Space | None:
        """What is left below the root; None where the lane cannot tell."""


class Host(Protocol):
    """One host, as commands and switches use it."""

    @property
    def spec(self) -> EndpointSpec:
        """The endpoint as the plan writes it."""

    def run(self, argv: Sequence[str], timeout_seconds: float) -> Completed:
        """Run a command there, without a terminal and with an empty standard input.

        Over SSH the arguments are joined by `shlex.join`; here they are given as they are. It does not outlive us,
        except at a host without an agent. Raises EndpointUnavailable when the host cannot be reached; a command that
        fails is an answer, not an error.
        """

    def read_link(self, path: bytes) -> bytes | None:
        """The text of the symbolic link at the absolute `path`; None when nothing is there; Refused for other kinds."""

    def point_link(self, path: bytes, to: bytes) -> None:
        """Make the absolute `path` a symbolic link to `to`, replacing a link that is there in one atomic step."""

    def remove_link(self, path: bytes) -> None:
        """Remove the symbolic link at the absolute `path`; one that is gone counts as removed; Refused for other kinds.

        Needed to undo a switch that made a link where there was none.
        """


class Endpoint(Host, Protocol):
    """One host, as one process speaks to it. Opening it costs nothing; the first use connects."""

    def source(self, root: bytes) -> SourceTree:
        """The tree below `root`, for reading only."""

    def target(self, root: bytes, temp_key: bytes) -> TargetTree:
        """The tree below `root`, for writing; `temp_key` (32 bytes) makes and recognises the temp names."""

    @property
    def has_spare(self) -> bool:
        """Whether one connection stands that nobody uses, and that serves whatever is asked for next."""

    def rest(self) -> None:
        """Close connections that nobody uses at the moment; the next use opens them anew."""

    def close(self) -> None:
        """Close every connection; may be called twice."""
