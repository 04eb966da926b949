"""A bit of a state is flipped: it is refused, or nothing depends on it; nobody is sent without the proof."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from migrator.domain.phases import Phase
from tests.support.cli import Cli
from tests.support.old_states import MIGRATION, NAME, Ground, unpack
from tests.support.trees import differences
from torture.rows import Options, Outcome, Row

FLIPS = 300
REFUSED = 9
_IN_ORDER = frozenset({0, 3, 4, REFUSED})  # anything else is a bug, or a guess


def flip_and_run(folder: Path, chance: random.Random) -> tuple[int, list[str]]:
    """Flip a bit of one of the two databases of a verified state and run it twice: the last exit code, violations."""
    ground = unpack(2, Phase.VERIFIED, folder)
    state = ground.state / MIGRATION
    path = chance.choice([state / "journal.db", state / "applications" / f"{NAME}.db"])
    place = _flip_a_bit(path, chance)
    # The first run finds that the source is not the very one that was frozen, so that the second begins at the freeze.
    codes = [_run(ground.cli) for _ in range(2)]
    return codes[-1], [f"bit {place} of {path.name}: {what}" for what in _violations(ground, codes)]


def _violations(ground: Ground, codes: list[int]) -> Iterator[str]:
    if not _IN_ORDER.issuperset(codes):
        yield f"exit codes {codes}"
    was_anybody_sent = {"first", "second"} & {path.name for path in ground.folder.iterdir()}
    if was_anybody_sent and (differing := differences(ground.folder / "source", ground.folder / "target")):
        yield f"users were sent to what is not the source: {differing}"


def _flip_a_bit(path: Path, chance: random.Random) -> int:
    content = bytearray(path.read_bytes())
    used = [number for number, byte in enumerate(content) if byte]  # most of a small database is room that is free
    place = chance.choice(used) * 8 + chance.randrange(8)
    content[place // 8] ^= 1 << place % 8
    path.write_bytes(content)
    return place


def _run(cli: Cli) -> int:
    with cli.started("run", "--yes") as process:
        process.communicate(timeout=120)
    return int(process.returncode)


def _all_flips(options: Options) -> Outcome:
    chance = random.Random(options.seed)  # noqa: S311 - a flip must be repeatable
    violations: list[str] = []
    count, refused = options.count(FLIPS), 0
    for number in range(count):
        folder = options.folder / str(number)
        folder.mkdir()
        code, found = flip_and_run(folder, chance)
        violations += found
        refused += code == REFUSED
        shutil.rmtree(folder)
    return Outcome(count, tuple(violations), f"{refused} refused with exit {REFUSED}; the rest went on and converged")


ROWS = (
    Row(
        "flipped-state",
        "single bits of a verified state's databases are flipped: refused, or without effect; no switch without proof",
        _all_flips,
    ),
)
