"""Bits that turn over at rest: the short form of what `python -m torture --rows bit-flips` does ten thousand times."""

from __future__ import annotations

from pathlib import Path

from torture.bit_flips import FLIPS, torture
from torture.rows import Options

STRIDE = 40


def test_every_flipped_file_is_named_and_no_other(tmp_path: Path) -> None:
    outcome = torture(Options(tmp_path, STRIDE))
    assert outcome.violations == ()
    assert outcome.tried == FLIPS // STRIDE
