"""One bit of a file at the target turns over, size and time as before: `verify` names that file, and no other."""

from __future__ import annotations

import os
import random
from pathlib import Path

from tests.support.cli import Cli
from tests.support.moves import Move
from tests.support.trees import build_many
from torture.rows import Options, Outcome, Row

FLIPS = 10_000
LARGE_BYTES = 20 * 1024 * 1024  # in chunks, of which each is flipped in once
LARGE_FILES = 3
_RUN_SECONDS = 600


def torture(options: Options) -> Outcome:
    """Flip in every small file and in some large ones, in two halves: what is left alone must not be named."""
    small = options.count(FLIPS)
    move = Move(options.folder, options.folder / "source", options.folder / "target")
    build_many(bytes(move.source), 2 * small)
    chance = random.Random(options.seed)  # noqa: S311 - drawn again with the same seed, and no secret
    for number in range(LARGE_FILES):
        (move.source / f"large {number}").write_bytes(chance.randbytes(LARGE_BYTES))
    cli = move.cli()
    cli("run", "--until", "seeded", timeout_seconds=_RUN_SECONDS)
    found = _wrongly_named(cli, set())
    files = sorted(path for path in move.target.rglob("*") if path.is_file() and path.stat().st_size)
    large = [path for path in files if path.name.startswith("large")]
    victims = chance.sample([path for path in files if path not in large], small - LARGE_FILES) + large
    flips = [_flip(path, chance) for path in victims]
    found += _wrongly_named(cli, {str(path.relative_to(move.target)) for path in victims})
    for path, bit in flips:
        _turn(path, bit)
    found += [f"flipped back, and still {line}" for line in _wrongly_named(cli, set())]
    untouched = len(files) - len(victims)
    return Outcome(len(flips), tuple(found), f"one bit each in {len(flips):,} files, {untouched:,} left alone")


def _wrongly_named(cli: Cli, wanted: set[str]) -> list[str]:
    """What `verify` names and should not, and the other way round."""
    outcome = cli("verify", "--json", expect=3 if wanted else 0, timeout_seconds=_RUN_SECONDS)
    named = {event["path"] for event in outcome.events("item.failed")}
    missed = [f"not found: {path}" for path in sorted(wanted - named)]
    return missed + [f"named without a reason: {path}" for path in sorted(named - wanted)]


def _flip(path: Path, chance: random.Random) -> tuple[Path, int]:
    bit = chance.randrange(path.stat().st_size * 8)
    _turn(path, bit)
    return path, bit


def _turn(path: Path, bit: int) -> None:
    """Turn one bit over where it lies; size, mode and mtime stay as they are."""
    before = path.stat()
    with path.open("r+b", buffering=0) as file:
        (byte,) = os.pread(file.fileno(), 1, bit // 8)
        os.pwrite(file.fileno(), bytes([byte ^ 1 << bit % 8]), bit // 8)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


ROWS = (Row("bit-flips", "single bits flipped at rest: each file found by verify, and no other", torture),)
