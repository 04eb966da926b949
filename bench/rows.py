"""The rows of the comparison: what is moved, by whom, over what, and what the goal is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench import data, peers
from bench.peers import Peer, Side


@dataclass(frozen=True)
class Sizes:
    """How much is moved; the defaults are those of the goals."""

    files: int = 20_000
    unchanged_files: int = 200_000
    large_bytes: int = 1 << 30
    sparse_bytes: int = 20 << 30


@dataclass(frozen=True)
class Row:
    """One piece of work. A goal is the least ratio of a peer's time to ours."""

    name: str
    title: str
    contestants: tuple[Peer, ...]  # ours first
    build: Callable[[Path, Sizes], int]
    goals: Mapping[str, float] = field(default_factory=dict)
    remote: Side = "source"
    has_delay: bool = False
    prepare: tuple[Peer, ...] = ()  # what each contestant runs beforehand, untimed, by the place of the contestant
    change: Callable[[Path, int], int] | None = None  # made to the source before each turn
    is_plain: bool = False  # with the ciphers that OpenSSH prefers by itself
    changes_nothing: bool = False  # so that the next turn needs no new target
    least_line_share: float | None = None  # the goal for our share of the delay line
    has_holes: bool = False  # which must still be holes in the copy


def _files(root: Path, sizes: Sizes) -> int:
    return data.many_files(root, sizes.files)


def _many(root: Path, sizes: Sizes) -> int:
    return data.many_files(root, sizes.unchanged_files)


def _sparse(root: Path, sizes: Sizes) -> int:
    return data.sparse_file(root, sizes.sparse_bytes)


def _large(root: Path, sizes: Sizes) -> int:
    return data.one_file(root, sizes.large_bytes)


_LARGE = (peers.OURS, peers.RSYNC, peers.SCP, peers.RCLONE, peers.LFTP, peers.TAR)
_SMALL = (
    peers.OURS,
    peers.OURS_BY_SFTP,
    peers.RSYNC,
    peers.RSYNC_DURABLE,
    peers.RCLONE,
    peers.LFTP,
    peers.SCP,
    peers.TAR,
)
_CHANGED = (peers.OURS, peers.RSYNC, peers.RSYNC_INPLACE)
_VERIFYING = (peers.VERIFY, peers.RSYNC_VERIFY)

ROWS = (
    Row(
        "small-files",
        "small files, seed, source behind SSH",
        _SMALL,
        _files,
        {"rsync -a": 1.3, "rsync -a --fsync": 5.0, "rclone copy": 8.0, "lftp mirror": 5.0, "scp -rp": 10.0},
    ),
    Row(
        "small-files-out",
        "small files, seed, target behind SSH",
        _SMALL,
        _files,
        {"rsync -a": 1.3, "rsync -a --fsync": 5.0, "rclone copy": 8.0},
        remote="target",
    ),
    Row(
        "small-files-sftp",
        "small files, seed, over SFTP alone",
        (peers.OURS_BY_SFTP, peers.RSYNC, peers.RCLONE, peers.LFTP),
        _files,
        {"rsync -a": 0.7, "rclone copy": 5.0, "lftp mirror": 3.0},
    ),
    Row(
        "large-file",
        "one large file, loopback",
        _LARGE,
        _large,
        {"rsync -a": 1.0, "scp -rp": 1.0},
    ),
    Row(
        "large-file-default-cipher",
        "one large file, loopback, peers with the default cipher (migrator always asks for AES-GCM first)",
        (peers.OURS, peers.RSYNC, peers.SCP),
        _large,
        is_plain=True,
    ),
    Row(
        "large-file-delay",
        "one large file over the delay line",
        _LARGE,
        _large,
        {"rsync -a": 1.5, "scp -rp": 1.5},
        has_delay=True,
        least_line_share=0.94,
    ),
    Row(
        "unchanged",
        "a pass over a tree without changes",
        (peers.OURS, peers.RSYNC),
        _many,
        {"rsync -a": 1.3},
        prepare=(peers.OURS, peers.RSYNC),
        changes_nothing=True,
    ),
    Row(
        "changed-file",
        "one large file with 1 % changed in place, loopback",
        _CHANGED,
        _large,
        {"rsync -a": 2.0, "rsync -a --inplace": 1.0},
        prepare=_CHANGED,
        change=data.change_blocks,
    ),
    Row(
        "changed-file-delay",
        "one large file with 1 % changed in place, delay line",
        _CHANGED,
        _large,
        {"rsync -a": 2.0, "rsync -a --inplace": 1.0},
        has_delay=True,
        prepare=_CHANGED,
        change=data.change_blocks,
    ),
    Row(
        "sparse-file",
        "one sparse file with 64 MiB of data, loopback",
        (peers.OURS, peers.RSYNC_SPARSE),
        _sparse,
        has_holes=True,
    ),
    Row(
        "verify",
        "verification of small files, source behind SSH",
        _VERIFYING,
        _files,
        {"rsync -a -c -n": 1.0},
        prepare=(peers.OURS, peers.RSYNC),
        changes_nothing=True,
    ),
    Row(
        "verify-out",
        "verification of small files, target behind SSH",
        _VERIFYING,
        _files,
        {"rsync -a -c -n": 1.0},
        remote="target",
        prepare=(peers.OURS, peers.RSYNC),
        changes_nothing=True,
    ),
)
BY_NAME = {row.name: row for row in ROWS}
QUICK = ("small-files", "large-file")
