"""A write or a sync fails once: the short form of what `python -m torture` does for every one of them."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from torture.fail_points import CUTOVER
from torture.failing_io import FAULTS, IoGround, Side

# Side, fault, and the how-manieth call fails.
SOME: tuple[tuple[Side, int, int], ...] = (
    ("target", errno.EIO, 2),
    ("target", errno.EIO, 17),  # the sync after deletions
    ("target", errno.ENOSPC, 3),
    ("state", errno.EIO, 20),
    ("state", errno.ENOSPC, 5),
)


@pytest.mark.timeout(300)
def test_it_is_told_and_the_same_command_goes_on(tmp_path: Path) -> None:
    ground = IoGround.prepare(CUTOVER, tmp_path, "process")
    faults = {fault.number: fault for fault in FAULTS}
    for side, number, at in SOME:
        assert ground.fail_call(side, faults[number], at) == [], f"{errno.errorcode[number]} at call {at} ({side})"
