"""Kills of everything at once, at random: the short form of what `python -m torture --rows random-kills` does."""

from __future__ import annotations

from pathlib import Path

import pytest

from torture.random_kills import KILLS, torture
from torture.rows import Options

STRIDE = 125


@pytest.mark.timeout(300)
def test_killed_at_random_the_same_command_goes_on_to_the_end(tmp_path: Path) -> None:
    outcome = torture(Options(tmp_path, STRIDE))
    assert outcome.violations == ()
    assert outcome.tried == KILLS // STRIDE
