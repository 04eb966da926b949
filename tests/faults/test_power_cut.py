"""The power is cut under a disk of our own: nothing that was told is missing, and the same command goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from torture.disks import Cut, disk
from torture.power_cut import Side, torture
from torture.rows import Options

CUTS = 2

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk of its own"),
    pytest.mark.timeout(300),
]


@pytest.mark.parametrize("side", ["state", "target"])
def test_nothing_that_was_told_is_missing(side: Side, tmp_path: Path) -> None:
    outcome = torture(side, Options(tmp_path), CUTS)
    assert outcome.violations == ()
    assert outcome.tried == CUTS


@pytest.mark.parametrize("how", list(Cut))
def test_the_disk_does_lose_what_was_not_synced(how: Cut, tmp_path: Path) -> None:
    with disk(tmp_path) as small:
        (small.mount / "synced").write_text("kept")
        os.sync()
        (small.mount / "not synced").write_text("lost")
        small.cut(how)
        with pytest.raises(OSError, match="Input/output error"):
            (small.mount / "too late").write_text("never")
        small.power_on()
        assert (small.mount / "synced").read_text() == "kept"
        unsynced = small.mount / "not synced"
        assert not unsynced.exists() or unsynced.read_text() == ""
        assert not (small.mount / "too late").exists()
