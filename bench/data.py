"""What is moved: always the same bytes for the same size."""

from __future__ import annotations

import random
from pathlib import Path

SMALLEST_BYTES, LARGEST_BYTES = 500, 8_000
FILES_PER_FOLDER = 100
SPARSE_DATA_BYTES = 64 << 20
_BLOCK = 1 << 20


def many_files(root: Path, count: int) -> int:
    """Write `count` small files in folders of FILES_PER_FOLDER; their bytes."""
    chance = random.Random(2018)  # noqa: S311 - the same tree each time, and no secret
    total = 0
    for number in range(count):
        folder = root / f"folder-{number // FILES_PER_FOLDER:05}"
        if number % FILES_PER_FOLDER == 0:
            folder.mkdir(parents=True)
        content = chance.randbytes(chance.randint(SMALLEST_BYTES, LARGEST_BYTES))
        (folder / f"file-{number:07}.dat").write_bytes(content)
        total += len(content)
    return total


def one_file(root: Path, size_bytes: int) -> int:
    """Write one file that cannot be compressed; its bytes."""
    chance = random.Random(1871)  # noqa: S311 - as above
    root.mkdir(parents=True, exist_ok=True)
    with (root / "image").open("wb") as file:
        for start in range(0, size_bytes, _BLOCK):
            file.write(chance.randbytes(min(_BLOCK, size_bytes - start)))
    return size_bytes


def change_blocks(root: Path, turn: int) -> int:
    """Rewrite one in a hundred of the file's blocks of 1 MiB, in place; how many bytes that is."""
    chance = random.Random(turn)  # noqa: S311 - as above
    path = root / "image"
    blocks = path.stat().st_size // _BLOCK
    changed = chance.sample(range(blocks), max(1, blocks // 100))
    with path.open("r+b") as file:
        for block in changed:
            file.seek(block * _BLOCK)
            file.write(chance.randbytes(_BLOCK))
    return len(changed) * _BLOCK


def sparse_file(root: Path, size_bytes: int) -> int:
    """Write one file that is a hole but for SPARSE_DATA_BYTES in pieces of 1 MiB; how much data that is."""
    chance = random.Random(1946)  # noqa: S311 - as above
    blocks = size_bytes // _BLOCK
    filled = sorted(chance.sample(range(blocks), min(SPARSE_DATA_BYTES // _BLOCK, blocks)))
    root.mkdir(parents=True, exist_ok=True)
    with (root / "image").open("wb") as file:
        for block in filled:
            file.seek(block * _BLOCK)
            file.write(chance.randbytes(_BLOCK))
        file.truncate(size_bytes)
    return len(filled) * _BLOCK


def allocated_bytes(root: Path) -> int:
    """What the image below `root` takes on the disk."""
    return (root / "image").stat().st_blocks * 512
